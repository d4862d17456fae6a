from tests.truth.conftest import another, book_home, home, in_october, october  # noqa: F401
