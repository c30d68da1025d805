"""The scorer of the wsb protocols (protocol 3): one shift per tile, every metric at that shift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.optional import Found, Loaded, Pairs
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable
from worldstrat_bench.protocol import GaussianParabola, OffsetFirst, Protocol
from worldstrat_bench.registration import Shift, Shifts
from worldstrat_bench.scoring.levels import Levels
from worldstrat_bench.scoring.prediction import check_expected_error, check_prediction, on_grid
from worldstrat_bench.scoring.target_range import checked_target
from worldstrat_bench.scoring.types import Array, Frame, Prepared, TileScore
from worldstrat_bench.scoring.wsb_align import WsbRules, align, level, moved, unbiased
from worldstrat_bench.scoring.wsb_batch import (
    BATCH,
    in_batches,
    kind,
    measure,
    move_all,
    near_infrared,
    stack_tiles,
    upload,
)
from worldstrat_bench.scoring.wsb_ranked import BIASES, Placed, Truth, ranked
from worldstrat_bench.scoring.wsb_target import SCALARS, WsbPrepared, cache_key, prepare_wsb, scalars

if TYPE_CHECKING:
    from worldstrat_bench.data.target import ArrayCache, TargetImage

NO_FRAME = "no low-resolution frame was given"
CLOUDY = "less than a quarter of frame 0 is clear"
NO_WINDOW = "no SSIM window is free of no-data"
NO_SPECTRUM = "no pixel has a spectrum"
NO_LPIPS = "LPIPS was not asked for"
PLACES = ("shift_y", "shift_x", "shift_at_edge")
MEANS = ("mean_r", "mean_g", "mean_b")
CPU = torch.device("cpu")


def usual_batch(device: torch.device) -> int:
    """Return how many tiles are scored at once: on a CPU one, whose images then stay in its caches."""
    return 1 if device.type == "cpu" else BATCH


class WsbScorer:
    """See ``scoring.make_scorer``."""

    def __init__(
        self,
        protocol: Protocol,
        device: torch.device,
        perceptual: Perceptual | Unavailable | None = None,
        cache: ArrayCache | None = None,
        optional: Sequence[Loaded] = (),
        batch: int | None = None,
        wanted: frozenset[str] | None = None,
    ) -> None:
        assert isinstance(protocol.registration, GaussianParabola)
        assert isinstance(protocol.offset, OffsetFirst)
        grid = protocol.target
        self.protocol = protocol
        self.device = device
        self.rules = WsbRules(
            protocol.offset, protocol.registration, protocol.metrics, grid.border, grid.no_data_above, wanted
        )
        self._perceptual = perceptual
        self._cache = cache
        self._optional = tuple(optional)
        self.batch = usual_batch(device) if batch is None else batch

    def prepare(self, target: TargetImage, frame: Frame | None) -> WsbPrepared:
        """See ``types.Scorer.prepare``."""
        target = checked_target(target, self.protocol)
        if self._cache is None:
            return prepare_wsb(target, frame, self.rules, self.device, None)
        key = cache_key(target, frame, self.protocol.sha256, self.device)
        stored = self._cache.get(key)
        # The key holds the code's digest, so an entry that lacks a name is a damaged one: it is made again.
        if stored is not None and set(stored) == set(SCALARS):
            return prepare_wsb(target, frame, self.rules, self.device, stored)
        prepared = prepare_wsb(target, frame, self.rules, self.device, None)
        self._cache.put(key, scalars(prepared))
        return prepared

    def score(self, prediction: Array, prepared: Prepared, expected_error: Array | None = None) -> TileScore:
        """See ``types.Scorer.score``.

        Parameters
        ----------
        expected_error : (1, H', W') or one for each band, the standard deviation of the prediction's error.
        """
        if not isinstance(prepared, WsbPrepared):
            raise TypeError("prepared by another scorer")
        given = check_prediction(prediction, self.device, prepared.least)
        spread = None if expected_error is None else check_expected_error(expected_error, given)
        # R, G, B by themselves from the start: what else there is must not change a bit of their scores.
        image = on_grid(given[:3], prepared.height, prepared.width)
        steps = align(image, prepared.offset, prepared.search, prepared.quick, self.rules)
        # Stands in where psnr_raw is not wanted: nothing reads it then, and a move costs as much as many metrics.
        raw = steps.result
        if self.rules.computes("psnr_raw"):
            raw = moved(image.clamp(0, 1), steps.shift, self.rules).clamp(0, 1)
        placed = Placed(steps.levelled, steps.result, steps.bias, raw)
        # From here on a pair is a batch of one, so that both ways share what follows.
        values = {name: value[None] for name, value in ranked(placed, Truth.of(prepared), self.rules).items()}
        shift = steps.shift
        near = self._near_infrared(given[3:], shift, prepared)
        pairs = self._pairs(steps.result[None], steps.levelled.image[None], prepared.target[None], near, [prepared])
        if spread is not None and self._optional:
            # Moved alone: a standard deviation has no level to be corrected.
            spread = moved(on_grid(spread[:3], prepared.height, prepared.width), shift, self.rules)
            pairs = replace(pairs, expected_error=spread[None])
        y, x, edge = (image.new_full((1,), value, dtype=torch.float64) for value in (shift.y, shift.x, shift.at_edge))
        found = self._added(pairs, {**values, **_places(Shifts(y, x, edge)), **_means([prepared])})
        return self._tile_scores(found, [prepared])[0]

    def score_batch(
        self,
        predictions: Sequence[Array],
        prepared: Sequence[Prepared],
        expected_errors: Sequence[Array | None] | None = None,
    ) -> list[TileScore]:
        """Score several predictions, `batch` at once where that is above 1: as :meth:`score` to 1e-6.

        No score depends on which predictions are given together; see ``wsb_batch``.
        """
        stated = [None] * len(predictions) if expected_errors is None else expected_errors
        if self.batch == 1:
            return [self.score(*pair) for pair in zip(predictions, prepared, stated, strict=True)]
        tiles = [own for own in prepared if isinstance(own, WsbPrepared)]
        if len(tiles) < len(prepared):
            raise TypeError("prepared by another scorer")
        # Looked at where they lie: a value of a tensor on the device would be waited for.
        images = [
            check_prediction(own, own.device if isinstance(own, Tensor) else CPU, tile.least)
            for own, tile in zip(predictions, tiles, strict=True)
        ]
        spreads = [
            None if own is None else check_expected_error(own, image) for own, image in zip(stated, images, strict=True)
        ]
        kinds = [
            kind((*image.shape, *(() if spread is None else spread.shape)), tile)
            for image, spread, tile in zip(images, spreads, tiles, strict=True)
        ]
        return in_batches(kinds, self.batch, lambda chosen: self._score_filled(images, spreads, tiles, chosen))

    def _score_filled(
        self,
        images: Sequence[Tensor],
        spreads: Sequence[Tensor | None],
        prepared: Sequence[WsbPrepared],
        chosen: Sequence[int],
    ) -> list[TileScore]:
        """Return the scores of one batch; an index that comes again fills it up."""
        tiles = [prepared[index] for index in chosen]
        given = upload([images[index] for index in chosen], self.device)
        known = [spread for index in chosen if (spread := spreads[index]) is not None]
        spread = upload(known, self.device) if known and self._optional else None
        return self._tile_scores(self.on_device(given, tiles, len(chosen) - len(set(chosen)), spread), tiles)

    def on_device(
        self, images: Tensor, tiles: Sequence[WsbPrepared], fill: int = 0, spread: Tensor | None = None
    ) -> Found:
        """Return metrics and shifts of (N, C, H, W) predictions of one kind, before anything is copied back.

        The last `fill` of them only fill the batch up. `spread` are their expected errors, (N, 1 or C, H, W).
        """
        size = tiles[0].height, tiles[0].width
        stack = stack_tiles(tiles)
        measured = measure(on_grid(images[:, :3].contiguous(), *size), stack, self.rules)
        shifts, nir = measured.shifts, None
        if self._optional and images.shape[1] == 4 and stack.offset_nir is not None:
            nir = near_infrared(on_grid(images[:, 3:].contiguous(), *size), stack.offset_nir, shifts, self.rules)
        result, levelled = measured.placed.result, measured.placed.levelled.image
        pairs = self._pairs(result, levelled, stack.target, nir, tiles, fill)
        if spread is not None:
            pairs = replace(
                pairs, expected_error=move_all(on_grid(spread[:, :3].contiguous(), *size), shifts, self.rules)
            )
        return self._added(pairs, {**measured.values, **_places(shifts), **_means(tiles)})

    def _added(self, pairs: Pairs, values: Mapping[str, Tensor]) -> Found:
        """Return the values with those of the learned and the optional metrics, why one is NaN, and curves."""
        nulls = [{"ssim": NO_WINDOW, "sam": NO_SPECTRUM, "lpips": NO_LPIPS} for _ in range(len(pairs))]
        added, curves = dict(values), dict[str, Tensor]()
        if isinstance(self._perceptual, Unavailable):
            nulls = [{**own, "lpips": self._perceptual.reason} for own in nulls]
        elif self._perceptual is not None:
            added["lpips"] = self._perceptual(*pairs.shown)
        for optional in self._optional:
            found = optional(pairs)
            curves |= found.curves
            added |= found.values
            nulls = [{**own, **more} for own, more in zip(nulls, found.nulls, strict=True)]
        return Found(added, nulls, curves)

    def _pairs(
        self,
        result: Tensor,
        levelled: Tensor,
        target: Tensor,
        nir: Tensor | None,
        tiles: Sequence[WsbPrepared],
        fill: int = 0,
    ) -> Pairs:
        """Return a batch as the learned and the optional metrics take it."""
        seen = [None if tile.frame is None or not tile.frame.usable else tile.frame.rgb for tile in tiles]
        return Pairs(
            prediction=result,
            unmoved=crop_or_pad(levelled, self.rules.border),
            target=target[:, :3],
            valid=[tile.valid for tile in tiles],
            white=[tile.white for tile in tiles],
            frames=[_unseen(tile) if own is None else own for tile, own in zip(tiles, seen, strict=True)],
            pixel=[tile.pixel for tile in tiles],
            kept=[tile.kept for tile in tiles],
            height=tiles[0].height,
            width=tiles[0].width,
            border=self.rules.border,
            nir=nir,
            target_nir=None if nir is None else target[:, 3:],
            fill=fill,
        )

    def _tile_scores(self, found: Found, tiles: Sequence[WsbPrepared]) -> list[TileScore]:
        """One transfer from the device for all numbers, and one for each kind of curve."""
        rows = _to_numbers(found.values)
        curves = {name: curve.tolist() for name, curve in found.curves.items()}
        scores = []
        for index, (numbers, tile) in enumerate(zip(rows, tiles, strict=True)):
            # Taken out, because what stays in `numbers` becomes the columns of metrics.
            clipped, y, x, edge = (numbers.pop(name) or 0.0 for name in ("clipped", *PLACES))
            bias, mean = (tuple(numbers.pop(name) or 0.0 for name in names) for names in (BIASES, MEANS))
            metrics, missing = self._finish(numbers, found.nulls[index], tile)
            known = tile.reference
            levels = Levels(clipped, bias, mean, *(() if known is None else (known.clipped, known.bias)))
            kept = {name: tuple(curve[index]) for name, curve in curves.items()}
            scores.append(TileScore(metrics, missing, y, x, bool(edge), clipped, tile.detail, levels, kept))
        return scores

    def _near_infrared(self, band: Tensor, shift: Shift, prepared: WsbPrepared) -> Tensor | None:
        """P of a fourth band, (1, 1, h, w): offset and bias its own, the shift that of the others."""
        if not self._optional or not len(band) or prepared.offset_nir is None:
            return None
        own = level(on_grid(band, prepared.height, prepared.width), prepared.offset_nir, self.rules).image
        return unbiased(moved(own, shift, self.rules), prepared.offset_nir)[0][None]

    def _finish(
        self, numbers: dict[str, float | None], nulls: Mapping[str, str], prepared: WsbPrepared
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        """Every metric of the protocol, those that could not be computed as None with the reason."""
        # A column that such a prediction cannot have, such as NDVI of three bands, is left out, not null.
        added = [name for one in self._optional for name in one.metric.names if name in numbers]
        ranked_names = (name for name in self.rules.metrics.names if self.rules.computes(name))
        metrics = {name: numbers.get(name) for name in (*ranked_names, *added)}
        metrics["psnr_bicubic"] = prepared.psnr_bicubic
        reasons = {**nulls, "lr_consistency": _unseen(prepared), "psnr_bicubic": NO_FRAME}
        return metrics, {name: reasons[name] for name, value in metrics.items() if value is None}


def _unseen(prepared: WsbPrepared) -> str:
    """Return why frame 0 cannot be used, if it cannot."""
    return NO_FRAME if prepared.frame is None or prepared.frame.rgb is None else CLOUDY


def _means(tiles: Sequence[WsbPrepared]) -> dict[str, Tensor]:
    """Return the targets' means, (N,) each, which come back with the scores: alone they would be waited for."""
    return dict(zip(MEANS, torch.stack([tile.mean for tile in tiles]).unbind(dim=-1), strict=True))


def _places(shifts: Shifts) -> dict[str, Tensor]:
    """Shifts among the values, so that they come back with them."""
    return dict(zip(PLACES, (shifts.y, shifts.x, shifts.at_edge), strict=True))


def _to_numbers(values: Mapping[str, Tensor]) -> list[dict[str, float | None]]:
    """One transfer from the device for all (N,) values; a NaN means that nothing could be averaged."""
    numbers = torch.stack([value.double() for value in values.values()], dim=1).tolist()
    return [
        {name: None if math.isnan(number) else float(number) for name, number in zip(values, row, strict=True)}
        for row in numbers
    ]
