"""The tensors of an STLM checkpoint as .npz, for programs that run without PyTorch: export_checkpoint.py model.ckpt arrays.npz

The array shape holds: width, layers, query heads, query heads for each key head, context, whether the feed-forward network is shared."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from evaluate import load_model

model, checkpoint = load_model(sys.argv[1])
config = checkpoint["config"].model
if model.bytes or not config.embedding_weight_tying:
    sys.exit(f"{sys.argv[1]} is no llama model with one table for input and output; give a model of the token level with tied embeddings.")
core = config.core_model
np.savez(sys.argv[2], shape=[config.hidden_dim, core.num_layers, core.attn.num_heads, core.attn.group_size, config.context_window,
                             core.core_model_type == "generic_ffn_sharing"],
         **{name: tensor.numpy() for name, tensor in model.state_dict().items()})
