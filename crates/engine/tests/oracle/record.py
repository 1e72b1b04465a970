"""Records what llama.cpp says of the test's model, as the oracle of `tests/with_model/oracle.rs`.

    pip install llama-cpp-python==0.3.36        # compiles llama.cpp, some minutes
    python3 crates/engine/tests/oracle/record.py "$(images/model.sh)" > crates/engine/tests/with_model/oracle.json

The weights are first written out as F16, so that llama.cpp computes with floating-point activations: its quantised kernels round
activations to 8 bits and do not even agree with themselves between batch sizes.
"""

import ctypes
import json
import os
import sys
import tempfile

import llama_cpp as ll

TEXT = (
    "The Cherokee syllabary was made by Sequoyah in the 1820s. It has 85 characters, each of which stands for a syllable. "
    "Within a few years most of the nation could read and write:\n\nfn main() { println!(\"{}\", 85); }\n\n"
    "On 21 February 1828 the first newspaper was printed in New Echota."
)
PROMPT = "<|im_start|>user\nTell me about rivers.<|im_end|>\n<|im_start|>assistant\n"
GREEDY = 64
EVERY = 769  # Every so many of the 49152 logits of a row are kept.


def widened(path):
    """The same weights as F16, in a temporary file."""
    wide = os.path.join(tempfile.mkdtemp(), "f16.gguf")
    params = ll.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = ll.LLAMA_FTYPE_MOSTLY_F16, True
    if ll.llama_model_quantize(path.encode(), wide.encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp could not widen {path}")
    return wide


def main(path):
    model = ll.Llama(widened(path), n_ctx=512, n_batch=512, logits_all=True, n_gpu_layers=0, verbose=False)

    def encode(text):
        return model.tokenize(text.encode(), add_bos=False, special=True)

    # Numbers of several digits are split differently by llama.cpp's reading of this file: the tokens are part of the record.
    tokens = encode(TEXT)
    model.eval(tokens)
    rows = [model._scores[at].copy() for at in range(len(tokens))]
    record = []
    for row in rows:
        order = row.argsort()[::-1]
        record.append(
            {
                "best": int(order[0]),
                "margin": round(float(row[order[0]] - row[order[1]]), 4),
                "logits": [round(float(v), 4) for v in row[::EVERY]],
            }
        )
    model.reset()
    prompt = encode(PROMPT)
    model.eval(prompt)
    greedy, margins = [], []
    while len(greedy) < GREEDY:
        row = model._scores[model.n_tokens - 1]
        order = row.argsort()[::-1]
        greedy.append(int(order[0]))
        margins.append(round(float(row[order[0]] - row[order[1]]), 4))
        model.eval([greedy[-1]])
    out = {
        "by": f"llama.cpp of llama-cpp-python {ll.__version__}, F16 of the weights of {os.path.basename(path)}",
        "every": EVERY,
        "tokens": tokens,
        "rows": record,
        "prompt": prompt,
        "greedy": greedy,
        "margins": margins,
    }
    print(json.dumps(out))


main(sys.argv[1])
