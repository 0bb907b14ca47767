"""Names of other libraries' vision transformers, translated to timm's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Tensors = Mapping[str, Any]

_OPENAI = (
    (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
_HF_CLIP = (
    (r"^embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"^pre_layrnorm\.", "norm_pre."),
    (r"^post_layernorm\.", "norm."),
    (r"^encoder\.layers\.", "blocks."),
    (r"\.layer_norm([12])\.", r".norm\1."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
)
_HF_VIT = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "register_tokens"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^layernorm\.", "norm."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.attention\.([qkv])\w+\.", r".attn.\1."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
)


def translate(tensors: Tensors) -> tuple[dict[str, Any], str]:
    """Return tensors under timm's names and whose names they had; the text is empty if they are not known here."""
    for mark, origin, rename in _ORIGINS:
        found = [name for name in tensors if re.search(rf"(^|\.){re.escape(mark)}$", name)]
        if found:
            prefix = min(found, key=len).removesuffix(mark)
            below = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            return rename({**_heads(tensors, prefix), **below}), origin
    if "register_tokens" in tensors:
        return _merge_registers(dict(tensors)), "DINOv2's"
    return dict(tensors), ""


def _heads(tensors: Tensors, prefix: str) -> dict[str, Any]:
    """Return the classifier or projection that stands beside the transformer with this prefix."""
    found = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.*\.|)((?:classifier|visual_projection)\.(?:weight|bias))", name)
        if match and prefix.startswith(match[1]):
            found[match[2]] = tensor
    return found


def _renamed(tensors: Tensors, rules: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return _fuse_attention(renamed)


def _fuse_attention(tensors: dict[str, Any]) -> dict[str, Any]:
    """Put queries, keys and values into one tensor, where all three are given."""
    import torch

    fused = dict(tensors)
    for name in tensors:
        match = re.fullmatch(r"(blocks\.\d+\.attn)\.q\.(weight|bias)", name)
        parts = [f"{match[1]}.{part}.{match[2]}" for part in "qkv"] if match else []
        if match and all(part in tensors for part in parts):
            fused[f"{match[1]}.qkv.{match[2]}"] = torch.cat([fused.pop(part) for part in parts])
    return fused


def _clip(tensors: dict[str, Any], class_token: str, positions: str) -> dict[str, Any]:
    if class_token in tensors:
        tensors["cls_token"] = tensors.pop(class_token).reshape(1, 1, -1)
    if positions in tensors:
        tensors["pos_embed"] = tensors.pop(positions)[None]
    return tensors


def _head(tensors: dict[str, Any], weight: Any) -> dict[str, Any]:
    """Add a projection without bias as the classifier."""
    if weight is None:
        return tensors
    return {**tensors, "head.weight": weight, "head.bias": weight.new_zeros(len(weight))}


def _from_openai(tensors: Tensors) -> dict[str, Any]:
    renamed = _clip(_renamed(tensors, _OPENAI), "class_embedding", "positional_embedding")
    projection = renamed.pop("proj", None)
    return _head(renamed, None if projection is None else projection.T.contiguous())


def _from_hf_clip(tensors: Tensors) -> dict[str, Any]:
    renamed = _renamed(tensors, _HF_CLIP)
    renamed = _clip(renamed, "embeddings.class_embedding", "embeddings.position_embedding.weight")
    return _head(renamed, renamed.pop("visual_projection.weight", None))


def _from_hf_vit(tensors: Tensors) -> dict[str, Any]:
    renamed = _renamed(tensors, _HF_VIT)
    for kind in ("weight", "bias"):
        if f"classifier.{kind}" in renamed:
            renamed[f"head.{kind}"] = renamed.pop(f"classifier.{kind}")
    return _merge_registers(renamed)


def _merge_registers(tensors: dict[str, Any]) -> dict[str, Any]:
    """Give DINOv2's registers timm's form: the position of the class token is a part of the class token."""
    if "register_tokens" in tensors:
        tensors["reg_token"] = tensors.pop("register_tokens")
        if "cls_token" in tensors and "pos_embed" in tensors:
            tensors["cls_token"] = tensors["cls_token"] + tensors["pos_embed"][:, :1]
            tensors["pos_embed"] = tensors["pos_embed"][:, 1:]
    return tensors


_ORIGINS: tuple[tuple[str, str, Callable[[Tensors], dict[str, Any]]], ...] = (  # a tensor that tells, whose names, how
    ("embeddings.class_embedding", "Hugging Face's CLIP", _from_hf_clip),
    ("embeddings.cls_token", "Hugging Face's", _from_hf_vit),
    ("class_embedding", "OpenAI's CLIP", _from_openai),
)
