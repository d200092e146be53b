"""What services say of people, for the catalogue: a file a service, request and parse. Pure."""
