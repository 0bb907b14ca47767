"""What the topics and services mean; names, types and conditions come from the code."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """Meaning of a topic, with units, and parameters of the inference node that it depends on besides the command."""

    text: str
    when: str = ""


TOPICS = {
    "CAMERA/image_raw": Description(
        "Images; the first camera's stamps are those of the frames.", "`image_transport:=raw` or `auto`"
    ),
    "CAMERA/image_raw/compressed": Description(
        "The same as JPEG or PNG.", "`image_transport:=compressed`, or `auto` if only this is published"
    ),
    "joint_states": Description("Joint positions [rad]."),
    "tcp_pose": Description("Pose of the grip point in the frame of the velocities [m, quaternion]."),
    "/clock": Description("Time of the simulation.", "`use_sim_time:=true`"),
    "servo_node/delta_twist_cmds": Description(
        "Velocities of the tool [m/s, rad/s] in the contract's or robot's frame."
    ),
    "velocity_controller/commands": Description(
        "Joint velocities [rad/s, m/s], in the order of the contract or of the arm's model."
    ),
    "arm_controller/joint_trajectory": Description("Joint positions one control period ahead [rad, m]."),
    "gripper_controller/commands": Description(
        "One number, from the gripper's `open` to `closed` position in the contract or robot file."
    ),
    "~/sent": Description("The velocities that were sent, whatever the kind of command [m/s, rad/s]."),
    "~/would_send": Description("The velocities that would have been sent, whatever the kind of command [m/s, rad/s]."),
    "~/would_send/gripper": Description("The gripper command that would have been sent."),
    "~/would_send/joint_velocity": Description("The joint velocities that would have been sent [rad/s, m/s]."),
    "~/would_send/joint_trajectory": Description("The trajectory point that would have been sent [rad, m]."),
    "/diagnostics": Description("[Status](diagnostics.md) of the node, at 1 Hz."),
    "~/debug/image": Description("The policy's input images, side by side.", "`debug_image:=true`"),
}
SERVICES = {
    "~/stop": "Stop the arm until `~/resume` is called.",
    "~/resume": "End a stop.",
    "~/new_episode": "Start a new episode: predictions of the previous one are dropped. The simulated robot calls it.",
    "~/rescan": "Load new and changed bundles of the folder; commands continue meanwhile.",
}
