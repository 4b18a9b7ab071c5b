"""The wheel has the folder `benchmarks` as the package `rnnjax.benchmarks`."""

import setuptools

binaries = setuptools.find_packages(include=["benchmarks*"])
setuptools.setup(
    packages=[
        *setuptools.find_packages(include=["rnnjax*"]),
        *(f"rnnjax.{name}" for name in binaries),
    ],
    package_dir={"rnnjax.benchmarks": "benchmarks"},
)
