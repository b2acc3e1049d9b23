"""From the results of `synthetic_augmentation.py` to its report and its section."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pages import standard_error, table_of

BASE = "real"
TITLES = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
CLASSIFIERS = ("accuracy", "accuracy, shifts")
PICTURES = ("label accuracy", "precision", "recall", "nearer to train")

HEAD = "# Pictures drawn for a classifier\n"

TEXT = """
A classifier (the network of `judge-mnist`) has {per_class} real pictures of each of the 10 classes. GANs are trained on
the same pictures alone, with their labels; {drawn} pictures a class are drawn from each, and half of each of the
classifier's batches are taken from these. All classifiers take {steps} steps of {batch} pictures, with AdamW, and are
measured on the 10,000 test pictures. *With shifts*, pictures, real and drawn, are moved by up to {shift} pixels as the
classifier sees them: this ordinary augmentation, which costs nothing, is what a GAN has to beat. A number is the mean
over seeds, with its standard error after the ±; each seed has real pictures, GANs and classifiers of its own. The
*gain* is that over the real pictures of the same seed alone.

The `cgan` is that of the recipe `cgan-mnist` at half of its width, {images:,} images in batches of 64; `diffaugment`
changes what its discriminator sees ([training.md](training.md)). The fine-tuned model is that of the other data set
([finetuning.md](finetuning.md)), {finetuning_images:,} images with `diffaugment`. The last row is no answer to the
question, for its model has seen all the labelled pictures that the classifier lacks: it shows what pictures of good
quality would do.

    python benchmarks/synthetic_augmentation.py --mnist DIR --fashion DIR
"""

OF_PICTURES = """
The drawn pictures by themselves, on the features of the data set's first judge ([metrics.md](metrics.md)): how many it
takes for what they were asked to be, how many lie within the reach of a test picture, how many test pictures lie within
theirs, and how many are nearer to a real picture that the GAN was trained on than to any of as many test pictures: half
would be if none were learned by heart.
"""

CAPTION = """
*Seed 0, the first two pictures of each class, not picked: for each data set a row of real pictures, then one of each
model that was trained here, in the table's order. Real pictures, and drawn ones made from them: MNIST, CC BY-SA 3.0;
Fashion-MNIST, MIT, Zalando SE. The fine-tuned model is made from both.*
"""

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]  # by data set and row


def summarise(name: str, labels: Mapping[str, str], found: Results) -> dict[str, Any]:
    """Gather the results, with the mean and standard error of each number, and of each gain within a seed.

    Args:
        name: The benchmark's name.
        labels: What each row is called.
        found: The results of each data set and row.
    """
    rows = []
    for data, by_row in found.items():
        base = {result["seed"]: result["numbers"] for result in by_row[BASE]}
        for row, results in by_row.items():
            numbers = [result["numbers"] for result in results]
            columns = {column: [each[column] for each in numbers] for column in (numbers[0] if numbers else ())}
            for column in CLASSIFIERS if row != BASE else ():
                pairs = [(result["numbers"], base[result["seed"]]) for result in results if result["seed"] in base]
                columns[f"gain in {column}"] = [mine[column] - alone[column] for mine, alone in pairs]
            rows.append(
                {
                    "data": data,
                    "name": row,
                    "label": labels[row],
                    "mean": {column: statistics.fmean(values) for column, values in columns.items() if values},
                    "standard_error": {column: standard_error(values) for column, values in columns.items() if values},
                    "runs": list(results),
                }
            )
    return {"benchmark": name, "rows": [row for row in rows if row["runs"]]}


def write_section(content: Mapping[str, Any], protocol: Mapping[str, int], sheet: Path | None = None) -> str:
    """Return the section: its text, and for each data set a table, and what drawn pictures are worth by themselves."""
    parts = ["## Does it help?", TEXT.format_map(protocol).strip()]
    for data in dict.fromkeys(row["data"] for row in content["rows"]):
        rows = [row for row in content["rows"] if row["data"] == data]
        gains = [f"gain in {column}" for column in CLASSIFIERS]
        parts += [f"### {TITLES[data]}", table_of(_cells(rows, [CLASSIFIERS[0], gains[0], CLASSIFIERS[1], gains[1]]))]
        parts += [
            OF_PICTURES.strip(),
            table_of(_cells([row for row in rows if PICTURES[0] in row["mean"]], PICTURES)),
        ]
    if sheet is not None:
        parts += [f"![real and drawn pictures]({sheet.parent.name}/{sheet.name})", CAPTION.strip()]
    environments = dict.fromkeys(
        f"{', '.join(f'{name} {number}' for name, number in run['environment']['versions'].items())}; "
        f"{run['environment']['threads']} thread(s) of {run['environment']['processor']}"
        for row in content["rows"]
        for run in row["runs"]
    )
    if environments:
        parts.append(f"Computed with: {'; or '.join(environments)}. Each run's numbers are in the JSON report.")
    return "\n\n".join(parts)


def _cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    titles = [column.replace("accuracy, shifts", "with shifts").replace("gain in ", "gain, ") for column in columns]
    cells = [["", *(title.replace("gain, accuracy", "gain") for title in titles), "seeds"]]
    for row in rows:
        cells.append([row["label"], *(_cell(row, column) for column in columns), str(len(row["runs"]))])
    return cells


def _cell(row: Mapping[str, Any], column: str) -> str:
    if column not in row["mean"]:
        return ""
    sign = "+" if column.startswith("gain") else ""
    error = row["standard_error"][column]
    return f"{row['mean'][column]:{sign}.1%}" + (f" ± {error:.1%}" if error is not None else "")
