"""Runs compared: the settings in which they differ, and their measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.palette import COLORS
from neuronwidgets.display.vega import offline
from neuronwidgets.toy.run import Run

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

MEASURES = {
    "loss": "loss on fresh data, share of the best linear map's",
    "monosemantic": "monosemantic neurons",
    "faint": "of them faint",
    "covered": "features covered",
    "selectivity": "selectivity",
    "dead": "dead neurons",
    "mean_bias": "mean bias",
}
"""Measures of a run and their titles in tables and charts."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: the runs, in the order given.
        knobs: names of the `Config` fields in which the runs differ, without the seed.
    """

    runs: tuple[Run, ...]
    knobs: tuple[str, ...]

    @own_modes()
    def to_frame(self) -> pd.DataFrame:
        """One row for each run: the settings that differ, its seed, and its measures.

        `loss` is on 16,384 fresh samples, as a share of the best linear map's; `monosemantic`
        (0.999 rule), `faint` (monosemantic neurons that hardly respond), `covered` and `dead` are
        counts. `Run` documents each of them.
        """
        import pandas as pd

        rows = []
        for run in self.runs:
            knobs = {name: getattr(run.config, name) for name in self.knobs}
            measured = {
                "loss": run.relative_loss,
                "monosemantic": int(run.monosemantic.sum()),
                "faint": int((run.monosemantic & run.faint).sum()),
                "covered": int(run.covered.sum()),
                "selectivity": run.selectivity,
                "dead": int(run.dead.sum()),
                "mean_bias": run.mean_bias,
            }
            rows.append({**knobs, "seed": run.config.seed, **measured})
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """One row for each combination of settings: mean and standard deviation over its seeds."""
        frame = self.to_frame()
        return frame.groupby(self._by(), sort=False)[list(MEASURES)].agg(["mean", "std"])

    @own_modes()
    def to_altair(self) -> alt.Chart:
        """Monosemantic neurons against the loss: a point for each run, a colour for each setting.

        Runs above each other reached minima of equal loss with different numbers of monosemantic
        neurons.
        """
        import altair as alt

        frame = self.to_frame()
        title = ", ".join(name.replace("_", " ") for name in self.knobs) or "run"
        frame[title] = [self._name(run) for run in self.runs]
        order = list(dict.fromkeys(frame[title]))
        chart = (
            alt.Chart(frame, width=380, height=240)
            .mark_point(filled=True, size=70, opacity=0.85)
            .encode(
                alt.X("loss", title=MEASURES["loss"]).scale(zero=False).axis(format="%"),
                alt.Y("monosemantic", title=MEASURES["monosemantic"]),
                alt.Color(f"{title}:N", sort=order).scale(range=COLORS),
                alt.Shape(f"{title}:N", sort=order, legend=None),
                [alt.Tooltip(name) for name in [*self.knobs, "seed", *MEASURES]],
            )
        )
        return offline(chart)

    def _name(self, run: Run) -> str:
        values = (getattr(run.config, name) for name in self.knobs)
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)

    def __repr__(self) -> str:
        return f"Comparison({len(self.runs)} runs that differ in {', '.join(self.knobs) or 'seed'})"

    def _repr_html_(self) -> str:
        import pandas as pd

        rows = []
        for key, group in self.to_frame().groupby(self._by(), sort=False):
            values = key if isinstance(key, tuple) else (key,)
            named = dict(zip(self.knobs, values, strict=False))
            rows.append({**named, **{title: _spread(group[m]) for m, title in MEASURES.items()}})
        one_seed = len(rows) == len(self.runs)
        note = "" if one_seed else ": mean ± deviation over seeds"
        return f"<p>{self!r}{note}</p>{pd.DataFrame(rows).to_html(index=False)}"

    def _by(self) -> Any:
        return list(self.knobs) or (lambda _: "all")


def _spread(values: pd.Series[float]) -> str:
    """Mean and standard deviation in a few digits."""
    mean = f"{values.mean():.3g}"
    return mean if len(values) == 1 else f"{mean} ± {values.std():.2g}"


@own_modes()
def compare(runs: Any) -> Comparison:
    """Compare runs.

    Args:
        runs: what `train` returns, or a `ToyLab`.
    """
    runs = getattr(runs, "runs", runs)
    many = (runs,) if not isinstance(runs, Sequence) else tuple(runs)
    for i, run in enumerate(many):
        if not isinstance(run, Run):
            raise TypeError(
                f"runs[{i}] must be a neuronwidgets.toy.Run, got a {type(run).__name__}."
            )
    if not many:
        raise ValueError("there are no runs to compare: pass at least one.")
    fields: list[dict[str, Any]] = [asdict(run.config) for run in many]
    differ = [name for name in fields[0] if len({f[name] for f in fields}) > 1]
    return Comparison(many, tuple(name for name in differ if name != "seed"))
