"""Releasing code: a published version, and a compare-and-swap of the alias that makes it live.

Everything about a release is kept in AWS (the version's description, the alias's description), so any machine can
release, roll back, or finish what a killed release began.
"""
