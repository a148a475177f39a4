"""What a plan would change, for a reviewer, a terminal or a program: built from plan JSON, never from plan text.

`changes` reads plan JSON, `secrets` decides what nobody may see, `model` holds one report, and `markdown`, `terminal`
and `model.as_json` write it.
"""
