"""Records what llama.cpp says of two models, as the oracle of `tests/with_model/oracle.rs`.

    pip install llama-cpp-python==0.3.36 gguf        # compiles llama.cpp, some minutes
    python3 crates/engine/tests/oracle/record.py "$(images/model.sh)" crates/engine/tests/with_model

The first is the test's model. Its weights are written out as F16 first, so that llama.cpp computes with floating-point activations:
its quantised kernels round activations to 8 bits and do not even agree with themselves between batch sizes. The second is a Qwen 2
of two tiny layers with random weights, written beside the record.
"""

import ctypes
import json
import os
import sys
import tempfile

import gguf
import llama_cpp as ll
import numpy as np

TEXT = (
    "The Cherokee syllabary was made by Sequoyah in the 1820s. It has 85 characters, each of which stands for a syllable. "
    'Within a few years most of the nation could read and write:\n\nfn main() { println!("{}", 85); }\n\n'
    "On 21 February 1828 the first newspaper was printed in New Echota."
)
PROMPT = "<|im_start|>user\nTell me about rivers.<|im_end|>\n<|im_start|>assistant\n"
GREEDY = 64


class Model:
    """A model in llama.cpp, on the CPU, with keys and values in f32."""

    def __init__(self, path):
        params = ll.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = ll.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            sys.exit(f"llama.cpp could not read {path}")
        self.vocabulary = ll.llama_model_get_vocab(self.model)
        self.words = ll.llama_vocab_n_tokens(self.vocabulary)

    def tokens(self, text):
        raw = text.encode()
        found = (ll.llama_token * (len(raw) + 8))()
        count = ll.llama_tokenize(self.vocabulary, raw, len(raw), found, len(found), False, True)
        return list(found[:count])

    def start(self):
        params = ll.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 512
        params.type_k = params.type_v = 0  # f32
        params.flash_attn_type = 0  # rounds to f16 inside
        self.context = ll.llama_init_from_model(self.model, params)
        self.position = 0

    def rows(self, tokens):
        """Logits after each of the next tokens."""
        batch = ll.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for at, token in enumerate(tokens):
            batch.token[at], batch.pos[at], batch.logits[at] = token, self.position + at, 1
            batch.n_seq_id[at], batch.seq_id[at][0] = 1, 0
        if ll.llama_decode(self.context, batch) != 0:
            sys.exit("llama.cpp could not compute")
        self.position += len(tokens)
        logits = (ll.llama_get_logits_ith(self.context, at) for at in range(len(tokens)))
        return [np.ctypeslib.as_array(row, shape=(self.words,)).copy() for row in logits]


def best(row):
    """The likeliest token, and how far it is above the second."""
    first, second = np.argsort(row)[:-3:-1]
    return int(first), round(float(row[first] - row[second]), 4)


def record(model, tokens, every):
    """Of each row the best token, its margin and every so many logits."""
    model.start()
    kept = []
    for row in model.rows(tokens):
        token, margin = best(row)
        kept.append({"best": token, "margin": margin, "logits": [round(float(v), 4) for v in row[::every]]})
    return {"every": every, "tokens": tokens, "rows": kept}


def greedy(model, prompt):
    model.start()
    row, said = model.rows(prompt)[-1], []
    while len(said) < GREEDY:
        said.append(best(row)[0])
        row = model.rows(said[-1:])[-1]
    return {"prompt": prompt, "said": said}


def widened(path):
    """The same weights as F16, in a temporary file."""
    wide = os.path.join(tempfile.mkdtemp(), "f16.gguf")
    params = ll.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = ll.LLAMA_FTYPE_MOSTLY_F16, True
    if ll.llama_model_quantize(path.encode(), wide.encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp could not widen {path}")
    return wide


def tiny_qwen2(path):
    """Two layers with random weights and biases."""
    words, width, heads, kv_heads, inner, layers = 64, 32, 4, 2, 64, 2
    random = np.random.default_rng(1828)
    out = gguf.GGUFWriter(path, "qwen2")
    out.add_context_length(128)
    out.add_embedding_length(width)
    out.add_block_count(layers)
    out.add_feed_forward_length(inner)
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_freq_base(1e6)
    out.add_vocab_size(words)
    out.add_tokenizer_model("none")

    def tensor(name, *shape):
        scale = 1.0 if name.endswith("norm.weight") else 0.4
        base = 1.0 if name.endswith("norm.weight") else 0.0
        out.add_tensor(name, (base + scale * random.standard_normal(shape)).astype(np.float32))

    kv = width // heads * kv_heads
    tensor("token_embd.weight", words, width)
    tensor("output_norm.weight", width)
    tensor("output.weight", words, width)
    for at in range(layers):
        block = f"blk.{at}."
        tensor(block + "attn_norm.weight", width)
        tensor(block + "ffn_norm.weight", width)
        for part, rows in (("attn_q", width), ("attn_k", kv), ("attn_v", kv)):
            tensor(block + part + ".weight", rows, width)
            tensor(block + part + ".bias", rows)
        tensor(block + "attn_output.weight", width, width)
        tensor(block + "ffn_gate.weight", inner, width)
        tensor(block + "ffn_up.weight", inner, width)
        tensor(block + "ffn_down.weight", width, inner)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main(path, folder):
    ll.llama_backend_init()
    by = f"llama.cpp of llama-cpp-python {ll.__version__}"
    smollm = Model(widened(path))
    told = record(smollm, smollm.tokens(TEXT), 769) | {"greedy": greedy(smollm, smollm.tokens(PROMPT))}
    qwen2 = os.path.join(folder, "qwen2.gguf")
    tiny_qwen2(qwen2)
    tiny = record(Model(qwen2), [7, 1, 60, 33, 2, 2, 19, 45, 8, 0, 63, 27], 1)
    for name, oracle in (("oracle.json", told), ("qwen2.json", tiny)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump({"by": by} | oracle, file)
            file.write("\n")


main(*sys.argv[1:])
