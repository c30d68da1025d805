"""Submissions: the manifest, the checks of a pull request, environments, comparison and verification.

Nothing here imports torch at module level: a check runs in seconds on a machine without it.
"""
