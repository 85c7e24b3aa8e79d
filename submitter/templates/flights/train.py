"""Predict how late a flight arrives from what is known when it leaves."""

import argparse
from pathlib import Path

import joblib
import pandas as pd
from azureml.core import Run
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from remote_entry import read_frame

QUERY = """
    SELECT TOP (:rows)
        f.month, f.day, f.hour, f.dep_delay, f.arr_delay, f.distance,
        f.origin, f.carrier, a.name AS airline, p.seats, w.wind_speed, w.visib
    FROM dbo.flights AS f
    JOIN dbo.airlines AS a ON a.carrier = f.carrier
    LEFT JOIN dbo.planes AS p ON p.tailnum = f.tailnum
    LEFT JOIN dbo.weather AS w ON w.origin = f.origin AND w.time_hour = f.time_hour
    WHERE f.arr_delay IS NOT NULL AND f.month <= :months
    ORDER BY f.time_hour, f.carrier, f.flight
"""
WORDS = ["origin", "carrier"]
NUMBERS = ["month", "day", "hour", "dep_delay", "distance", "seats", "wind_speed", "visib"]


def main() -> None:
    """Query, train, measure, and keep the model with the run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--months", type=int, default=3)
    arguments = parser.parse_args()

    flights = read_frame(QUERY, {"rows": arguments.rows, "months": arguments.months})
    print(f"read {len(flights):,} flights of {flights['airline'].nunique()} airlines", flush=True)

    features = flights[WORDS + NUMBERS].astype(dict.fromkeys(NUMBERS, float))
    delay = flights["arr_delay"].astype(float)
    train, test, train_delay, test_delay = train_test_split(features, delay, random_state=0)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = make_pipeline(
        make_column_transformer((codes, WORDS), remainder="passthrough"),
        HistGradientBoostingRegressor(random_state=0),
    ).fit(train, train_delay)
    predicted = model.predict(test)

    run = Run.get_context()
    error = mean_absolute_error(test_delay, predicted)
    same_as_departure = mean_absolute_error(test_delay, test["dep_delay"])
    run.log("rows", len(flights))
    run.log("mean absolute error", error)
    run.log("mean absolute error of the departure delay", same_as_departure)
    print(f"off by {error:.1f} minutes; the departure delay alone by {same_as_departure:.1f}")

    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    joblib.dump(model, outputs / "model.joblib")
    plot(test_delay, predicted, outputs / "delays.png")


def plot(actual: pd.Series, predicted: pd.Series, path: Path) -> None:
    """Draw predicted against actual delays, in minutes."""
    figure, axes = plt.subplots(figsize=(6, 6))
    axes.hexbin(actual, predicted, gridsize=60, extent=(-60, 180, -60, 180), bins="log", mincnt=1)
    axes.plot([-60, 180], [-60, 180], color="black", linewidth=0.8)
    axes.set(xlabel="actual delay, minutes", ylabel="predicted delay, minutes")
    axes.set_title("Arrival delay of held-out flights")
    figure.savefig(path, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    main()
