"""Compare two runs, or two evaluations."""

from batchclf.api.evaluation import Evaluation
from batchclf.api.failures import in_words
from batchclf.api.run import Run
from batchclf.core.compare.result import Comparison

__all__ = ["Comparison", "compare"]


@in_words
def compare(first: Run | Evaluation, second: Run | Evaluation) -> Comparison:
    """Compare two runs or evaluations, the earlier one first, on the images that both have.

    Of runs, the split is the first of test, a directory and train that both have, as `batchclf report A B` chooses it;
    images are matched by path and content, of evaluations by path or place. `print` shows the result in a sentence;
    its `p_value` is that of McNemar's exact test, its `metrics` have paired 95% intervals.

    Raises ComparisonError if the classes differ or no image is in both, and RunError or PredictionsError if a run
    cannot be read.
    """
    if isinstance(first, Run) and isinstance(second, Run):
        return first.compare(second)
    one, other = (each.evaluation if isinstance(each, Run) else each for each in (first, second))
    return one.compare(other)
