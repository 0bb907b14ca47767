"""Names of the elements in the composed MJCF (DeepMind's own names)."""

GRIPPER = "robot0/robotiq_fts300/robotiq_2f85/"
ROBOT = "robot0/"
ARM_JOINTS = tuple(f"robot0/right_j{i}" for i in range(7))
ARM_ACTUATORS = tuple(f"robot0/j{i}" for i in range(7))
TORQUE_SENSORS = tuple(f"robot0/j{i}_torque" for i in range(7))
FORCE_SENSOR = "robot0/robotiq_fts300/ft_sensor_force"
TORQUE_SENSOR = "robot0/robotiq_fts300/ft_sensor_torque"
WRIST_SITE = "robot0/wrist_site"
PINCH_SITE = GRIPPER + "pinch_site"
FINGER_JOINT = GRIPPER + "left_driver_joint"
FINGER_ACTUATOR = GRIPPER + "fingers_actuator"
FINGERTIPS = (GRIPPER + "reinforced_right_fingertip_geom", GRIPPER + "reinforced_left_fingertip_geom")
TABLE = "ground"
BASKET_BODY = "base/rgb_basket"
BASKET_SURFACES = ("base/basket_base_surface", "base/basket_sloped")
BASKET_MATERIAL = BASKET_TEXTURE = "basket"
TABLE_MATERIAL = "groundplane"
SKY_TEXTURE = "//unnamed_texture_0"
LIGHTS = ("//unnamed_light_0", "extra_1", "extra_2")
COLORS = ("red", "green", "blue")
CAMERAS = ("basket_front_left", "basket_front_right", "basket_back_left")


def object_body(color: str) -> str:
    """Return the name of an object's body, free joint and collision geom."""
    return f"rgb_object_{color}"


def camera(name: str) -> str:
    """Return the name in the MJCF of one of CAMERAS."""
    return f"base/{name}"
