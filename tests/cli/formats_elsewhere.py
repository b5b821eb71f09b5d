"""What other programs read of a report's forms: run by their own environment, prints JSON.

python formats_elsewhere.py hub CARD.md | github SUMMARY.md
"""

import json
import sys

what, path = sys.argv[1:]
with open(path, encoding="utf-8") as handle:  # noqa: PTH123
    text = handle.read()
if what == "hub":
    import huggingface_hub

    card = huggingface_hub.ModelCard(text)
    results = [
        [each.metric_type, each.metric_value, each.dataset_type, each.dataset_split, each.task_type]
        for each in card.data.eval_results or []
    ]
    names = [each["name"] for each in card.data.to_dict()["model-index"]]
    print(json.dumps({"version": huggingface_hub.__version__, "names": names, "results": results}))
else:
    import cmarkgfm

    unsafe = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE  # leaves HTML in, which GitHub then cleans
    print(json.dumps({"html": cmarkgfm.github_flavored_markdown_to_html(text, options=unsafe)}))
