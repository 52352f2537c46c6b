"""What the command ``finetune`` does, and what the user sees of it."""

from __future__ import annotations

from classifier.commands.work import Work, command_line, interruptible, progress_bars
from finetune.options import Options
from finetune.reporting import write_few_shot_report
from finetune.trials import MODEL, Trials


@interruptible
def adapt_and_report(work: Work, options: Options) -> None:
    """Adapt a network, score it on draws, and write the report.

    Raises
    ------
    FinetuneError, ClassifierError, OutputError
    """
    work.check_output()
    trials = Trials(options, work.out, work.cores(), command_line("finetune"))
    real, console = trials.real, work.console
    counts = ", ".join(f"{(real.labels == real.classes.index(c)).sum()} {c}" for c in real.present)
    console.print(f"{options.real}: {counts}; at most {real.showing.images} images of each.")
    with progress_bars(console) as progress:
        tasks = {}

        def on_step(name, done, total):
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.advance(tasks[name], done)

        trials.run(on_step)
    write_few_shot_report(work.out, real.split, console=console)
    taught = (real.labels >= 0).sum()
    console.print(
        f"The model to use: {work.out / MODEL}. It was taught all {taught}, so its scores on these "
        "would mean nothing."
    )
