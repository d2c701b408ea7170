"""Logs from the shell.

formats.py    logs of other systems: in and out
"""
