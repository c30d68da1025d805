"""Write the records of the baselines' submissions again, on mini: ``python tools/evaluate_baselines.py``.

Records of other submissions never change. These belong to this repository and follow its code: where a change of the
harness changes a score, they are made again in the same commit. LPIPS is in them if torch's cache has its weights.

Weights that others published are taken from ``../shared/models`` if a file there has their digest, else fetched.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

SUBMISSIONS = Path(__file__).resolve().parent.parent / "submissions"
MODELS = SUBMISSIONS.parent.parent / "shared" / "models"
COMMAND = [sys.executable, "-c", "from worldstrat_bench.cli import main; main()"]


def run(*arguments: str) -> None:
    """One verb of the command line."""
    subprocess.run([*COMMAND, *arguments], check=True)


def have_weights(sha256: str | None) -> None:
    """Put weights into the cache, where the harness looks before it fetches them."""
    from worldstrat_bench.cache import cache_root

    place = cache_root() / "weights" / (sha256 or "")
    if sha256 is None or place.exists() or not MODELS.is_dir():
        return
    for file in sorted(MODELS.iterdir()):
        if hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def main(slugs: list[str]) -> None:
    """Evaluate the named baselines, or all."""
    with tempfile.TemporaryDirectory(prefix="worldstrat-baselines-") as scratch:
        mini = Path(scratch) / "mini"
        run("data", "mini", str(mini))
        for manifest in sorted(SUBMISSIONS.glob("*/submission.toml")):
            folder = manifest.parent
            content = tomllib.loads(manifest.read_text(encoding="utf-8"))
            model = content["model"]
            if model.get("repository_folder") != "baselines" or (slugs and folder.name not in slugs):
                continue
            have_weights(content.get("weights", {}).get("sha256"))
            shutil.rmtree(folder / "results", ignore_errors=True)
            out = Path(scratch) / folder.name
            # ST-LPIPS is the one perceptual score whose weights need no download; spectral scores need none
            chosen = ("--device", "cpu", "--no-download", "--metrics", "+stlpips,+spectral")
            run("evaluate", str(folder), "--data", str(mini), "--out", str(out), *chosen)
            run("submission", "add", str(out), str(folder))
    run("submission", "check", str(SUBMISSIONS))


if __name__ == "__main__":
    main(sys.argv[1:])
