"""What other libraries call the keys and kinds of a recipe, and what to write here: for messages of unknown ones."""

from collections.abc import Mapping

_SOFTMAX = "`loss: {kind: softmax, scale: ...}`"
_TEMPERATURE = "`loss: {kind: softmax, scale: ...}`, where scale is 1 / temperature"
_RATE = "`optimizer: {rate: ..., table_rate: ...}`, of dense weights and of embedding tables"
_BATCH = "`batch: ...`, which is taken at once"
_EPOCHS = "`epochs: ...`, each over all pairs"
_CONSTANT = "`optimizer: {rate: ...}`, which stays as it is: there is no schedule"
_METRIC = "`validation: {metric: ..., k: ...}`"
_MACHINE = "`threads: ...`; numbers are float32, and torchrun shares a training among processes"
_DIM = "`towers: {dim: ...}`"
_HIDDEN = "`towers: {hidden: ...}`"
_RANDOM = "`negatives: {random: ...}`"
_MINED = "`negatives: {mined: {ranks: [101, 500]}}` in a stage, or `negatives: {online_hard: ...}`"
_ENCODER = "`towers: {encoder: {model: FOLDER, features: [request.text]}}`"

OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("learning_rate", "lr"), _RATE),
    **dict.fromkeys(("batch_size", "train_batch_size", "per_device_train_batch_size"), "`batch: ...`"),
    **dict.fromkeys(("accumulate_grad_batches", "gradient_accumulation_steps"), _BATCH),
    **dict.fromkeys(("num_epochs", "n_epochs", "max_epochs", "num_train_epochs"), "`epochs: ...`"),
    **dict.fromkeys(("num_iterations", "num_boost_round", "n_estimators", "max_steps"), _EPOCHS),
    **dict.fromkeys(("early_stopping", "early_stopping_patience", "early_stopping_rounds"), "`patience: ...`"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "lr_scheduler_type", "warmup_steps", "warmup_ratio"), _CONSTANT),
    **dict.fromkeys(("monitor", "metric_for_best_model", "evaluation_strategy", "eval_metric"), _METRIC),
    **dict.fromkeys(("embedding_dim", "embedding_size", "output_dim", "embed_dim"), _DIM),
    **dict.fromkeys(("hidden_dim", "hidden_size", "hidden_units", "hidden_layers"), _HIDDEN),
    **dict.fromkeys(("temperature", "tau"), _TEMPERATURE),
    "margin": "`loss: {kind: triplet, margin: ...}`",
    **dict.fromkeys(("num_negatives", "n_negatives", "negative_samples", "num_neg"), _RANDOM),
    **dict.fromkeys(("hard_negatives", "hard_negative_mining"), _MINED),
    "in_batch_negatives": "`negatives: {in_batch: true}`",
    **dict.fromkeys(("logq", "logq_correction", "sampling_bias_correction"), "`negatives: {log_q: true}`"),
    **dict.fromkeys(("max_grad_norm", "gradient_clipping", "clip_norm", "grad_clip"), "`optimizer: {clip: ...}`"),
    "gradient_clip_val": "`optimizer: {clip: ...}`",
    **dict.fromkeys(("random_seed", "random_state"), "`seed: ...`"),
    **dict.fromkeys(("model_name", "base_model", "pretrained", "model_name_or_path"), _ENCODER),
    **dict.fromkeys(("max_seq_length", "max_length"), "`towers: {encoder: {max_tokens: ...}}`"),
    **dict.fromkeys(("freeze", "freeze_encoder", "unfreeze_layers"), "`towers: {encoder: {tuned_layers: ...}}`"),
    **dict.fromkeys(
        ("vocab_size", "num_buckets", "hash_buckets"), "`towers: {tables: {text: {buckets: ..., dim: ...}}}`"
    ),
    **dict.fromkeys(("dropout_rate", "dropout_prob"), "`dropout: ...`"),
    "num_workers": "`threads: ...`; batches are prepared in one thread more",
    **dict.fromkeys(("fp16", "bf16", "precision", "accelerator", "devices"), _MACHINE),
    "weight_decay": "`dropout: ...` and `patience: ...`, which keep towers from learning by heart; there is no decay",
    # kinds
    **dict.fromkeys(("infonce", "info_nce", "nt_xent", "ntxent", "mnrl", "multiple_negatives_ranking"), _SOFTMAX),
    **dict.fromkeys(("multiplenegativesrankingloss", "cachedmultiplenegativesrankingloss"), _SOFTMAX),
    **dict.fromkeys(("cross_entropy", "sampled_softmax", "contrastive", "contrastiveloss"), _SOFTMAX),
    **dict.fromkeys(("triplet_loss", "tripletloss", "hinge", "margin_ranking"), "`loss: {kind: triplet, margin: ...}`"),
    **dict.fromkeys(("marginmse", "marginmseloss", "margin_mse_loss", "distillation"), "`loss: {kind: margin_mse}`"),
    **dict.fromkeys(("bpr_loss", "logistic", "pairwise"), "`loss: {kind: bpr}`"),
}
