"""What a run directory tells an analyst who opens it: the data dictionary and README.md."""

from pathlib import Path

from batchclf.core.records.run import RunRecord
from batchclf.report.formats.run_readme import README_FILE, run_readme
from batchclf.storage.predictions.data_dictionary import describe_columns, write_data_dictionary


def write_hand_over(folder: Path, record: RunRecord) -> None:
    """Write predictions.schema.json and README.md, which lists the files that are in `folder` by then. Raises OSError.

    Called when all other files of the run are written, while the folder is not published yet.
    """
    write_data_dictionary(folder, record)
    columns = [
        (each.name, each.type, each.meaning) for each in describe_columns(("CLASS",), record.topk, record.probabilities)
    ]
    files = [README_FILE, *(path.name for path in folder.iterdir())]
    (folder / README_FILE).write_bytes(run_readme(record, columns, files).encode())
