"""The inference node: frames from the robot's topics in, guarded velocity commands out, one per control period."""

import sys
import threading
import traceback
from collections.abc import Callable

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from rclpy.task import Future
from std_srvs.srv import Trigger

from lossless_ros.control.safety import NO_BOX, RESUME
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.runtimes.registry import PRECISIONS, RUNTIMES
from lossless_ros.nodes.app.parameters import Parameter, declare, declare_robot, read
from lossless_ros.nodes.app.process import run, wait_for
from lossless_ros.nodes.app.stderr import unblock_stderr
from lossless_ros.nodes.inference.observations import TRANSPORTS
from lossless_ros.nodes.inference.parameters import check
from lossless_ros.nodes.inference.policy_runner import PolicyRunner

COMMANDS = ("twist", "joint_velocity", "joint_trajectory")
ROBOT = Parameter("robot", "sim", "Robot: a name from config/robots or the path of such a file.")
PARAMETERS = (
    ROBOT,
    Parameter("bundles", "", "Bundle file, or a folder of them (one per task)."),
    Parameter("task", "", "Active task, may change at any time; empty: the only bundle's."),
    Parameter("contract", "", "Contract, a name from config/contracts or a path; empty: the bundle's own."),
    Parameter("device", "auto", "Where the policy runs: auto (CUDA if there is one), cpu, cuda, cuda:1, ..."),
    Parameter("threads", 1, "CPU threads of the policy; with 1 it gives the same numbers as lossless evaluate."),
    Parameter("runtime", "auto", "What runs the policy; auto: cuda_graph or, on a CPU, openvino if there.", RUNTIMES),
    Parameter(
        "precision", "auto", "Arithmetic; auto: float16 for cuda_graph if that is enough, or float32.", PRECISIONS
    ),
    Parameter("command", "twist", "Kind of command: twist for MoveIt Servo, the others for ros2_control.", COMMANDS),
    Parameter("dry_run", True, "Everything runs, but commands go to ~/would_send only."),
    Parameter("autostart", False, "Configure and activate by itself, for use without launch."),
    Parameter("image_transport", "auto", "Topics of the cameras; auto: what is published, raw first.", TRANSPORTS),
    Parameter("stop_at_switch", True, "Pass through a stop when the task changes."),
    Parameter("resume", "automatic", "After a stop for a fault: the next good frame moves on, or ~/resume.", RESUME),
    Parameter("debug_image", False, "Publish what the policy sees on ~/debug/image."),
    Parameter("safety.alone", True, "Stop while somebody else publishes commands too."),
    Parameter("safety.deadline", 0.0, "Inference that takes longer twice in a row means stop [s]; 0: one period."),
    Parameter("safety.linear_jerk", float("inf"), "Largest change of linear acceleration [m/s^3]."),
    Parameter("safety.angular_jerk", float("inf"), "Largest change of angular acceleration [rad/s^3]."),
    Parameter("safety.gripper_rate", float("inf"), "Fastest gripper, in ways from open to closed per second."),
    Parameter("safety.linear_acceleration", float("inf"), "Largest change of linear velocity [m/s^2]."),
    Parameter("safety.angular_acceleration", float("inf"), "Largest change of angular velocity [rad/s^2]."),
    Parameter("safety.workspace", list(NO_BOX), "Box for the tool center: lowest x, y, z, highest x, y, z [m]."),
)


class InferenceNode(LifecycleNode):
    """Lifecycle node: configure loads and warms up, activate lets commands flow, every way down ends in stop."""

    def __init__(self) -> None:
        super().__init__("inference_node")
        self._runner: PolicyRunner | None = None
        self._failure: Exception | None = None
        self._latched = ""  # why nothing moves before ~/resume, also if configured anew; empty: it may
        declare(self, PARAMETERS, declare_robot(self, ROBOT))
        self.add_on_set_parameters_callback(self._on_parameters)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/resume", self._on_resume)
        self.create_service(Trigger, "~/new_episode", self._on_new_episode)
        self.create_service(Trigger, "~/rescan", self._on_rescan)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        """Tell the user's mistakes before anything is loaded; with autostart go all the way to active."""
        parameters = read(self, PARAMETERS)
        if parameters["autostart"] or parameters["bundles"]:
            check(parameters)
        if not parameters["autostart"]:
            self.get_logger().info("waiting to be configured (-p autostart:=true does it at once)")
            return
        self.trigger_configure()
        if self._failure:
            raise self._failure
        if not done.is_set():
            self.trigger_activate()

    def main_loop(self, done: threading.Event) -> int:
        wait_for(done)
        return 0

    def stop(self) -> None:
        driver, self._runner = self._runner, None
        if driver:
            self._latched = driver.latched
            driver.close()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._failure = None
        try:
            self._runner = PolicyRunner(self, read(self, PARAMETERS))
            if self._latched:
                self._runner.latch(self._latched)
            return TransitionCallbackReturn.SUCCESS
        except LosslessError as error:
            self._failure = error
            if not self.get_parameter("autostart").value:  # else `start` ends the process with this line
                self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            self.get_logger().error(f"not configured: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._runner
        self._runner.activate()
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._runner
        self._runner.deactivate("deactivated")
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_cleanup(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_cleanup(state)

    def _on_parameters(self, parameters: list[RosParameter]) -> SetParametersResult:
        """While configured only the task may change, to one of the loaded ones."""
        own = {parameter.name for parameter in PARAMETERS}
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in own}
        if self._runner is None or not changed:
            return SetParametersResult(successful=True)
        fixed = ", ".join(sorted(set(changed) - {"task"}))
        if fixed:
            return SetParametersResult(successful=False, reason=f"{fixed}: fixed while configured, clean up first")
        if changed["task"] not in self._runner.policies:
            reason = str(unknown("task", changed["task"], self._runner.policies))
            return SetParametersResult(successful=False, reason=reason)
        self._runner.switch(changed["task"])
        return SetParametersResult(successful=True)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._latched = "asked to by ~/stop"
        if self._runner:
            self._runner.latch(self._latched)
        response.success, response.message = True, "stopped until ~/resume"
        return response

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._latched = ""
        return self._ask(PolicyRunner.release, "the next frame is answered", response)

    def _on_new_episode(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """What the policy remembers of the run so far is forgotten."""
        return self._ask(PolicyRunner.reset, "the policy begins anew", response)

    def _ask(self, what: Callable[[PolicyRunner], None], said: str, response: Trigger.Response) -> Trigger.Response:
        """Have it done if the node is configured."""
        response.success = self._runner is not None
        response.message = said if self._runner else "not configured"
        if self._runner:
            what(self._runner)
        return response

    async def _on_rescan(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Load new bundles in a thread of its own, so that commands and watchdog go on meanwhile."""
        driver = self._runner
        if driver is None:
            response.message = "not configured; configuring looks through the folder itself"
            return response
        result: Future = Future(executor=self.executor)

        def look() -> None:
            try:
                result.set_result((True, driver.rescan()))
            except Exception as error:  # the caller waits for an answer, whatever it is
                result.set_result((False, str(error)))

        threading.Thread(target=look, name="rescan", daemon=True).start()
        response.success, response.message = await result
        return response


def main(args: list[str] | None = None) -> int:
    """Entry point of `inference_node`."""
    unblock_stderr()
    return run(InferenceNode, args)


if __name__ == "__main__":
    sys.exit(main())
