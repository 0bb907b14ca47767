"""Tables of results in Markdown, by name. Each is made from the files in benchmarks/results alone."""

from collections.abc import Callable

from benchmarks.tables import adapters, experts, policies, simulator, speed, stacking, summary

TABLES: dict[str, Callable[[], str]] = {
    "summary": summary.summary,
    # policies
    "study": stacking.study,
    "stacking-recipe": policies.stacking_recipe,
    "mode-comparison": policies.mode_comparison,
    "mode-comparison-losses": policies.mode_comparison_losses,
    "mode-comparison-pairs": policies.mode_comparison_pairs,
    "ablations": policies.ablations,
    "ablations-setup": policies.ablations_setup,
    "ablations-pairs": policies.ablations_pairs,
    "dagger-rounds": policies.dagger_rounds,
    "demo": policies.demo,
    # experts
    "expert-success": experts.expert_success,
    "specialists": experts.specialists,
    "expert-imitability": experts.expert_imitability,
    "expert-imitability-pairs": experts.expert_imitability_pairs,
    "pose-error": experts.pose_error,
    # physics
    "resting-contact": simulator.resting_contact,
    # adapters
    "adapter-sizes": adapters.sizes,
    "adapter-overhead": adapters.overhead,
    "full-size": adapters.full_size,
    # speed
    "simulator-speed": speed.simulator,
    "training-cost": speed.training,
    "latency": speed.latency,
    "soak": speed.soak,
    "restarts": speed.restarts,
}
