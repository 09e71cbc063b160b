"""What the report shows, read from results of --json: each run's configurations, and all runs of each machine."""

import math
from statistics import median

from plots import kind
from results import title as title_of

# Numbers of an entry that are about the entry.
NOT_FIGURES = {"family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations"}


def split(name):
    """WORKLOAD/PEER/rest -> (WORKLOAD/rest, PEER)"""
    workload, peer, *rest = name.split("/")
    return "/".join([workload, *rest]), peer


class Configuration:
    """What one run says of one configuration."""

    def __init__(self, name, context):
        self.name = name
        self.context = context
        self.title = ", ".join(name.split("/"))
        self.operation = ""
        self.metric = "real_time"  # what it is about
        self.programs = {}  # label -> metric -> {repetition: value}
        self.failures = {}  # label -> [message]
        self.ratios, self.bounds, self.absent = [], [], []

    def subject(self):
        """The title, and what it is about where that is not the time."""
        return self.title + ("" if self.metric == "real_time" else f", {title_of(self.metric)}")

    def workload(self):
        return self.name.split("/")[0]

    def add(self, label, entry):
        values = self.programs.setdefault(label, {})
        if entry.get("error_occurred"):
            self.failures.setdefault(label, []).append(entry.get("error_message", "failed"))
            return
        for metric, value in entry.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and metric not in NOT_FIGURES:
                values.setdefault(metric, {})[entry.get("repetition_index", 0)] = value

    def values(self, metric):
        """{label: repetitions}"""
        found = {label: list(metrics.get(metric, {}).values()) for label, metrics in self.programs.items()}
        return {label: values for label, values in found.items() if values}

    def middle(self, label, metric=None):
        values = self.programs.get(label, {}).get(metric or self.metric)
        return median(values.values()) if values else None

    def losses(self):
        """Ratios to peers that are ahead of weft."""
        return [e for e in self.ratios if kind(e["against"]) == "peer" and e["median"] > 1]

    def missed(self):
        return [e for e in self.bounds if e["met"] is False]

    def untried(self):
        return [e for e in self.bounds if e["met"] is None]

    def best_ratio(self, wanted):
        """The ratio to the best program of a kind, in what it is about: the one with the lowest median, which bounds
        are held against too."""
        found = [e for e in self.ratios if kind(e["against"]) == wanted and e["metric"] == self.metric]
        return min(found, key=lambda e: self.middle(e["against"]) or math.inf, default=None)

    def factor(self, *kinds):
        """The tightest bound of these kinds on what it is about."""
        found = [e["factor"] for e in self.bounds if e["kind"] in kinds and e["metric"] == self.metric]
        return min(found, default=None)


def read(document):
    """{name: Configuration} of one run. Of several programs of a peer each stands under its own name only."""
    found = {}
    context = document["context"]

    def configuration(entry):
        name, label = split(entry["name"])
        return found.setdefault(name, Configuration(name, context)), label

    for entry in document["benchmarks"]:
        if entry.get("run_type") == "iteration" and "label" not in entry:
            of, label = configuration(entry)
            of.add(label, entry)
    for entry in document.get("configurations", []):
        of, _ = configuration(entry)
        of.title, of.operation, of.metric = entry["title"], entry["operation"], entry["metric"]
    for key in ("ratios", "bounds", "absent"):
        for entry in document.get(key, []):
            of, label = configuration(entry)
            getattr(of, key).append({**entry, "label": label})
    return found


class Machine:
    """All runs of one machine, oldest first."""

    def __init__(self, documents):
        self.runs = [read(document) for document in documents]
        self.contexts = [document["context"] for document in documents]
        self.context = self.contexts[-1]
        self.configurations = {}
        for run in self.runs:
            # Each keeps its place from the first run that has it.
            self.configurations.update(run)

    def all(self):
        return list(self.configurations.values())

    def workloads(self):
        found = {}
        for configuration in self.all():
            found.setdefault(configuration.workload(), []).append(configuration)
        return found


def machines(documents):
    """The newest machine first."""
    found = {}
    for document in sorted(documents, key=lambda d: d["context"].get("date", "")):
        context = document["context"]
        key = context.get("cpu_model"), context.get("num_cpus"), str(context.get("affinity"))
        found[key] = [*found.pop(key, []), document]
    return [Machine(group) for group in reversed(found.values())]
