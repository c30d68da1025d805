"""The conformance kit: small pairs and every number that wsb-1 makes of them, for implementations in other languages.

``land`` and ``pairs`` make the inputs, ``numbers`` lets the package's own scorer state what follows from them,
``writing`` puts both into a folder. docs/conformance.md says how it is used.
"""
