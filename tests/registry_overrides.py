"""What tiny models are made with: sizes by the name of a config's field, and what a model type needs besides."""

SIZES = dict(
    # width
    hidden_size=32, d_model=32, n_embd=32, dim=32, emb_dim=32, embed_dim=32, embedding_size=32, word_embed_proj_dim=32,
    projection_dim=32, encoder_hidden_size=32, decoder_hidden_size=32, text_hidden_size=32, output_hidden_size=32,
    hidden_dim=32, width=32,
    # heads
    num_attention_heads=4, n_head=4, n_heads=4, num_heads=4, encoder_attention_heads=4, decoder_attention_heads=4,
    num_decoder_attention_heads=4, num_encoder_attention_heads=4, attention_heads=4,
    num_key_value_heads=2, head_dim=8, d_kv=8, global_head_dim=8, attention_head_dim=8, attention_head_size=8,
    kv_channels=8,
    # feed-forward
    intermediate_size=48, d_ff=48, ffn_dim=48, encoder_ffn_dim=48, decoder_ffn_dim=48, n_inner=48, mlp_dim=48,
    moe_intermediate_size=24, shared_expert_intermediate_size=24, moe_shared_expert_intermediate_size=24,
    shared_intermediate_size=24,
    # depth
    num_hidden_layers=3, num_layers=3, n_layer=3, n_layers=3, encoder_layers=2, decoder_layers=3, num_decoder_layers=3,
    num_encoder_layers=2, depth=3, decoder_num_hidden_layers=3, encoder_num_hidden_layers=2,
    # experts
    num_experts=4, num_local_experts=4, n_routed_experts=4, moe_num_experts=4, num_experts_per_tok=2, top_k=2,
    moe_k=2, n_group=1,
    topk_group=1, n_shared_experts=1,
    # low-rank attention
    q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8,
    # state space
    mamba_n_heads=4, mamba_d_head=16, mamba_d_state=8, mamba_chunk_size=4, mamba_num_heads=4, mamba_head_dim=16,
    ssm_state_size=8,
    state_size=8, mamba_dt_rank=4, lru_width=32, linear_num_key_heads=2, linear_num_value_heads=2,
    linear_key_head_dim=8,
    linear_value_head_dim=8,
    # input
    vocab_size=99, max_position_embeddings=64, n_positions=64, n_ctx=64, max_seq_len=64, sliding_window=5,
    image_size=16, patch_size=4, num_channels=3,
)  # fmt: skip

_MROPE = dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[1, 1, 2]))
_TEXT_MROPE = dict(text_config=_MROPE)
_FOUR_LAYERS = dict(num_hidden_layers=4)
_TEXT_FOUR_LAYERS = dict(text_config=_FOUR_LAYERS)
_MIXED = ["linear_attention", "full_attention", "linear_attention"]
_MAMBA = ["mamba", "attention", "mamba"]
_SWIN = dict(embed_dim=16, depths=[2, 1], num_heads=[2, 4], window_size=2, image_size=16, patch_size=2)
_PYRAMID = dict(num_attention_heads=[1, 2, 2, 4], hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1], image_size=64)
_SPEECH = dict(
    conv_dim=(16, 16), conv_kernel=(10, 4), conv_stride=(5, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
)  # fmt: skip
_SPECTROGRAM = dict(num_mel_bins=16, max_source_positions=20)
_HEADS_EVENLY = dict(num_key_value_heads=4)

# Per model type, what its config needs besides the sizes above.
OVERRIDES: dict[str, dict] = dict(
    # rotary embedding in sections of the head (Qwen2-VL 2024)
    qwen2_vl=_TEXT_MROPE, qwen2_vl_text=_MROPE, qwen2_5_vl=_TEXT_MROPE, qwen2_5_vl_text=_MROPE,
    colqwen2=dict(vlm_config=_TEXT_MROPE),
    glm4v=_TEXT_MROPE, glm4v_text=_MROPE, glm46v=_TEXT_MROPE, glm_ocr=_TEXT_MROPE, glm_ocr_text=_MROPE,
    glm_image=_TEXT_MROPE, glmga=_TEXT_MROPE,
    glm_image_text=_MROPE, paddleocr_vl=_TEXT_MROPE, qwen2_5_omni_thinker=_TEXT_MROPE,
    glm4v_moe=dict(text_config=dict(rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[1, 1, 0],
    partial_rotary_factor=0.5))),
    glm4v_moe_text=dict(rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[1, 1, 0],
    partial_rotary_factor=0.5)),
    cosmos3_edge_text=_MROPE, cosmos3_edge=_TEXT_MROPE,
    # hybrids: enough layers that one of them attends
    qwen3_next=_FOUR_LAYERS, qwen3_5_text=_FOUR_LAYERS, qwen3_5_moe_text=_FOUR_LAYERS, qwen3_5=_TEXT_FOUR_LAYERS,
    qwen3_5_moe=_TEXT_FOUR_LAYERS,
    qwen4_exp_text=_FOUR_LAYERS, qwen4_exp=_TEXT_FOUR_LAYERS, minicpm_ocr=_TEXT_FOUR_LAYERS,
    minicpmv4_6=_TEXT_FOUR_LAYERS,
    minicpmv4_7=_TEXT_FOUR_LAYERS, kimi_linear=dict(layer_types=_MIXED, linear_head_dim=8, linear_num_heads=4),
    bailing_hybrid=dict(layer_group_size=2, num_key_value_heads=4, num_local_experts=4),
    bamba=dict(attn_layer_indices=[1]), jamba=dict(attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False),
    granitemoehybrid=dict(layer_types=_MAMBA), nemotron_h=dict(layers_block_type=["mamba", "attention", "moe"],
    n_groups=1, chunk_size=4),
    zamba=dict(num_hidden_layers=4, attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False,
    num_key_value_heads=4, attention_head_dim=16),
    zamba2=dict(layers_block_type=["mamba", "hybrid", "mamba"], use_mamba_kernels=False, chunk_size=4,
    mamba_ngroups=1, n_mamba_heads=4),
    zaya=dict(num_experts_per_tok=1, num_hidden_layers=4), falcon_h1=dict(mamba_d_ssm=64),
    lfm2_moe=dict(layer_types=["conv", "full_attention", "conv"]), recurrent_gemma=dict(num_hidden_layers=3),
    # fields that have no default of the right size
    deepseek_v2=dict(num_experts_per_tok=2), dots1=dict(n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2,
    num_key_value_heads=4),
    hunyuan_v1_dense=dict(head_dim=8), hunyuan_v1_moe=dict(head_dim=8), ministral=dict(head_dim=8),
    hunyuan_vl_text=dict(head_dim=8),
    hunyuan_vl=dict(text_config=dict(head_dim=8)),
    nemotron=dict(head_dim=8, num_key_value_heads=2), esm=dict(vocab_size=99, pad_token_id=0, mask_token_id=98),
    gptj=dict(rotary_dim=4), codegen=dict(rotary_dim=4),
    gpt_neo=dict(attention_types=[[["global", "local"], 2]], num_layers=4, window_size=5),
    reformer=dict(
        attn_layers=["local", "lsh", "local"], axial_pos_shape=[4, 16], axial_pos_embds_dim=[16, 16], num_hashes=2,
        num_buckets=4,
        local_attn_chunk_length=4, lsh_attn_chunk_length=4, is_decoder=False, feed_forward_size=48,
    ),
    dbrx=dict(attn_config=dict(kv_n_heads=2, rope_theta=10000.0), ffn_config=dict(ffn_hidden_size=48,
    moe_num_experts=4, moe_top_k=2), max_seq_len=64),
    xmod=dict(default_language="en_XX", languages=["en_XX"]), big_bird=dict(attention_type="original_full"),
    cohere_compass_text=dict(layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    dots3_note_text=_HEADS_EVENLY, glm5_next_text=_HEADS_EVENLY, gemma3n_text=dict(num_kv_shared_layers=0,
    vocab_size_per_layer_input=99, hidden_size_per_layer_input=8),
    gemma4=dict(text_config=dict(vocab_size_per_layer_input=99, hidden_size_per_layer_input=8)),
    gemma4_text=dict(vocab_size_per_layer_input=99, hidden_size_per_layer_input=8),
    prophetnet=dict(num_encoder_attention_heads=4, num_decoder_attention_heads=4), lilt=dict(hidden_size=48,
    channel_shrink_ratio=2),
    layoutlmv3=dict(coordinate_size=4, shape_size=8, hidden_size=40, visual_embed=False),
    autoformer=dict(prediction_length=4), informer=dict(prediction_length=4),
    time_series_transformer=dict(prediction_length=4),
    # bands and blocks
    longformer=dict(attention_window=[4, 4, 4], max_position_embeddings=70), longt5=dict(local_radius=3),
    led=dict(attention_window=4, max_encoder_position_embeddings=64, max_decoder_position_embeddings=64),
    pegasus_x=dict(block_size=4, num_global_tokens=3),
    # windows and pyramids
    swin=_SWIN, swinv2=_SWIN, **{"donut-swin": _SWIN, "maskformer-swin": _SWIN}, swin2sr=_SWIN | dict(depths=[1, 1],
    num_heads=[2, 4]),
    dinat=dict(embed_dim=16, depths=[1, 1], num_heads=[2, 4]), segformer=_PYRAMID, pvt=_PYRAMID | dict(strides=[4, 2,
    2, 2]),
    pvt_v2=_PYRAMID, glpn=_PYRAMID, yolos=dict(image_size=[16, 16]), hiera=dict(image_size=[32, 32], depths=[1, 1, 1,
    1], embed_dim=16, num_heads=[1, 2, 4, 8]),
    levit=dict(num_attention_heads=[2, 2, 2], hidden_sizes=[16, 16, 16], depths=[1, 1, 1], key_dim=[8, 8, 8],
    image_size=64),
    cvt=dict(embed_dim=[8, 16, 32], num_heads=[1, 2, 4], depth=[1, 1, 1], patch_sizes=[7, 3, 3]),
    **{"mgp-str": dict(image_size=[16, 16])}, vitpose_backbone=dict(image_size=[16, 16], patch_size=[4, 4]),
    vivit=dict(num_frames=4, tubelet_size=[2, 4, 4]),
    timesformer=dict(num_frames=2), videomae=dict(num_frames=2),
    # speech
    wav2vec2=_SPEECH, hubert=_SPEECH, unispeech=_SPEECH, wavlm=_SPEECH, **{"unispeech-sat": _SPEECH,
    "data2vec-audio": _SPEECH, "wav2vec2-conformer": _SPEECH},
    sew=_SPEECH, **{"sew-d": _SPEECH}, whisper=_SPECTROGRAM | dict(max_target_positions=64),
    qwen2_audio_encoder=_SPECTROGRAM,
    voxtral_encoder=_SPECTROGRAM, audioflamingo3_encoder=_SPECTROGRAM, speech_to_text=dict(input_feat_per_channel=16,
    conv_channels=16, max_source_positions=64, max_target_positions=64),
    **{"wav2vec2-bert": dict(feature_projection_input_dim=16), "audio-spectrogram-transformer": dict(num_mel_bins=16,
    max_length=16, frequency_stride=4, time_stride=4)},
)  # fmt: skip

# Too slow to build: more than ten seconds, most of it in parts without attention.
_SLOW = "a tiny model takes more than ten seconds to build"
NOT_BUILT = dict.fromkeys((
        "vibevoice", "vibevoice_acoustic_tokenizer", "vibevoice_asr", "vibevoice_acoustic_tokenizer_encoder",
        "vibevoice_acoustic_tokenizer_decoder",
        "fastspeech2_conformer_with_hifigan", "blt", "perceiver",
    ), _SLOW)  # fmt: skip

_CONVOLUTIONS = "convolutions or pooling instead of attention"
_STATE_SPACE = "a state-space or recurrent model: it has no attention weights"
_WINDOWS = "attends inside windows or groups of patches: no map of the whole image"
# Why a type is refused, where the refusal can say more than that there are no weights.
NO_MAP = {
    **dict.fromkeys((
            "bit", "focalnet", "hgnet_v2", "mobilenet_v1", "mobilenet_v2", "poolformer", "pp_lcnet", "pp_lcnet_v3",
            "pp_lcnet_v4",
            "regnet", "resnet", "rt_detr_resnet", "textnet", "uvdoc_backbone",
        ), _CONVOLUTIONS),
    **dict.fromkeys(("mamba", "falcon_mamba", "rwkv", "xlstm"), _STATE_SPACE),
    **dict.fromkeys(("swin", "swinv2", "donut-swin", "maskformer-swin", "sam_vision_model", "sam_hq_vision_model",
    "rf_detr_dinov2", "timesformer"), _WINDOWS),
    "data2vec-vision": "its module for fused attention is chosen when it is built, and returns no weights",
    "flava": "a text and an image model side by side: their weights are in outputs of their own",
    "fnet": "mixes tokens by a Fourier transform: there are no weights",
    "yoso": "samples attention by hashing: there are no weights",
    "mra": "approximates attention block by block: it returns no weights",
    "swiftformer": "additive attention: weights per token, not per pair",
    "mobilevit": "attends inside patches: no map of the whole image",
    "segformer": "keys are pooled patches: no map from every patch to every patch",
    "pvt_v2": "keys are pooled patches: no map from every patch to every patch",
}  # fmt: skip

# How large the random weights are, where it is not 1.5: without a division by sqrt(d_head) float32 itself is off by 1e-5.
SPREAD = dict.fromkeys(("mt5", "umt5", "pop2piano"), 0.7)
