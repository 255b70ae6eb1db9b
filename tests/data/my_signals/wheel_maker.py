"""Builds this one package: as any build backend does, but with what Python brings, so that no test needs a network."""

from __future__ import annotations

import tomllib
from pathlib import Path
from zipfile import ZipFile


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """The wheel's file name (PEP 517)."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    module, version = project["name"].replace("-", "_"), project["version"]
    entries = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in project["entry-points"].items()
    )
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": Path(f"{module}.py").read_text("utf-8"),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: wheel_maker\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entries,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    name = f"{module}-{version}-py3-none-any.whl"
    with ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
