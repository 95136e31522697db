"""Property tests: a shared machine may be slow, which is no property of the code."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "data",
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("data")
