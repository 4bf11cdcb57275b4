"""Which accelerators the published driver would have; programs read these flags to choose their way."""

HAVE_CYTHON = True
"""Whether rows are parsed by compiled code, as the NumPy and lazy protocol handlers need: always, here it is Rust."""


def _have_numpy() -> bool:
    from importlib.util import find_spec

    return find_spec("numpy") is not None


HAVE_NUMPY = _have_numpy()
"""Whether NumPy is installed; it is imported only when it is used."""
