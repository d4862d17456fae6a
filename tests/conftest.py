from hypothesis import settings

# How long one example takes says how busy the machine is, and nothing of the claim.
settings.register_profile("meterhouse", deadline=None)
settings.load_profile("meterhouse")


def pytest_addoption(parser):
    group = parser.getgroup("conformance")
    group.addoption(
        "--vectors",
        metavar="DIR",
        help="folder of published cases (*.json, also in subfolders) for tests/conformance; "
        "default tests/vectors",
    )
    group.addoption(
        "--baseline",
        metavar="FILE",
        help="ids of the cases that are known not to be built; default "
        "tests/conformance/not_built.txt with the committed vectors, none with others",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden anew; read the difference before you commit it",
    )
