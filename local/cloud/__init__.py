"""The local cloud: MiniStack, an AWS emulator, on loopback, with the patches that Lazaret needs.

Run it with `python -m cloud` from `local/`; `local/up` does so.
"""
