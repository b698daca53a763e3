"""mltu doctor: what is installed here, which devices are seen, and what is known not to work."""

from __future__ import annotations

from typing import Any

import click

from mltu.cli._common import print_json, text_or_json


@click.command("doctor", short_help="Say what is installed here, and what is wrong with it.")
@text_or_json
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=120, show_default=True, metavar="SECONDS",
    help="How long each package may take to load.",
)  # fmt: skip
def command(form: str, as_json: bool, timeout: float) -> None:
    """Describe this installation: versions, the backend of Keras, the GPUs seen, and known faults.

    Each package is loaded in a process of its own, so that a broken one becomes a line. The exit
    status is 1 if something is known to be broken, and 0 otherwise. Put the output into an issue.

    \b
    mltu doctor
    mltu doctor --format json > doctor.json
    """
    from mltu.cli._doctor_facts import gather
    from mltu.cli._doctor_findings import examine

    facts = gather(timeout)
    findings = examine(facts)
    if as_json or form == "json":
        print_json({**facts, "findings": [finding._asdict() for finding in findings]})
    else:
        click.echo("\n".join(_as_text(facts)))
        for finding in findings:
            click.echo(f"{'BROKEN' if finding.is_broken else 'note'}: {finding.text}")
        if not findings:
            click.echo("Nothing is known to be wrong.")
    if any(finding.is_broken for finding in findings):
        raise click.exceptions.Exit(1)


def _as_text(facts: dict[str, Any]) -> list[str]:
    lines = [f"{name:12} {facts[name]}" for name in ("mltu", "python", "system", "cores")]
    lines += [f"{'gpu':12} {', '.join(facts['gpus']) or 'no NVIDIA GPU'}"]
    for name, probe in facts["probes"].items():
        if "error" in probe:
            lines.append(f"{name:12} fails: {probe['error']}")
        else:
            told = "; ".join(f"{key}: {value}" for key, value in probe.items())
            lines.append(f"{name:12} {told}")
    lines += [f"{name:12} {value}" for name, value in facts["environment"].items()]
    found = [f"{name} {version}" for name, version in facts["packages"].items() if version]
    missing = [name for name, version in facts["packages"].items() if not version]
    return [*lines, f"{'packages':12} {', '.join(found)}", f"{'absent':12} {', '.join(missing)}"]
