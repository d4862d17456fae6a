from tests.truth.conftest import book_home, home, in_october, october  # noqa: F401
