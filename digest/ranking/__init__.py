"""Stage 3: entries become Ranked (rank), and Ranked become a Selection (select).

Signals (trend, topic, people, novelty) each measure a share from 0 to 1 of every entry of a pool; a profile's weights
turn the shares into points. What does not depend on the profile is computed once per pool. docs/ranking.md gives the
formulas.
"""
