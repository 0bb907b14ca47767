"""The inference node: frames from the robot's topics in, guarded velocity commands out, one per control period."""

import gc
import threading
import traceback
from collections.abc import Callable

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import NameValidationException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import Trigger

from lossless_ros.errors import LosslessError, unknown
from lossless_ros.nodes.app.parameters import ANY_TIME, print_help, read
from lossless_ros.nodes.app.process import leave, run, unblock_stderr, wait_for
from lossless_ros.nodes.app.robot_parameters import RobotParameters
from lossless_ros.nodes.inference.parameters import PARAMETERS, ROBOT, check
from lossless_ros.nodes.inference.policy_runner import PolicyRunner

_ABOUT = (
    "Run policies on a robot: observations in, guarded commands out. Begin with -p bundles:=triplet5\n"
    "-p autostart:=true, and for sim_robot_node also -p use_sim_time:=true; nothing moves without -p dry_run:=false."
)


class InferenceNode(LifecycleNode):
    """Lifecycle node: configure loads and warms up, activate enables commands, every shutdown ends in a stop."""

    def __init__(self) -> None:
        super().__init__("inference_node")
        self._runner: PolicyRunner | None = None
        self._failure: Exception | None = None
        self._end = threading.Event()  # set to end the process
        self._latch_reason = ""  # why nothing moves before ~/resume, also after a new configuration; empty: it may
        self._robot_parameters = RobotParameters(self, ROBOT, PARAMETERS)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/resume", self._on_resume)
        self.create_service(Trigger, "~/new_episode", self._on_new_episode)
        self.create_service(Trigger, "~/rescan", self._on_rescan)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        """Report wrong parameters before anything is loaded; with autostart configure and activate."""
        self._end = done
        parameters = read(self, PARAMETERS)
        if parameters["autostart"] or parameters["bundles"]:
            check(parameters)
        if not parameters["autostart"]:
            name = self.get_fully_qualified_name()
            self.get_logger().info(
                "waiting to be configured; -p autostart:=true configures and activates at start, or now: "
                f"ros2 lifecycle set {name} configure && ros2 lifecycle set {name} activate"
            )
            return
        self.trigger_configure()
        if self._failure:
            raise self._failure
        if not done.is_set():
            self.trigger_activate()

    def main_loop(self, done: threading.Event) -> int:
        wait_for(done)
        self.get_logger().info("ending; a stop is the last command")
        return 0

    def on_callback_error(self, reason: str) -> None:
        """Stop the robot until the next good frame."""
        if self._runner:
            self._runner.stop_for_fault("callback", reason)

    def stop(self) -> None:
        """Stop the robot and release the policy; a latched stop stays latched."""
        runner, self._runner = self._runner, None
        if runner:
            self._latch_reason = runner.latch_reason
            runner.close()
            del runner
            gc.unfreeze()
            gc.collect()  # networks are in reference cycles: without this, the memory of some rounds adds up

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._failure = None
        gc.collect()  # the executor may have held on to what was cleaned up
        self.get_logger().info("configuring: loading the policies takes some seconds")
        try:
            self._robot_parameters.follow()
            self._runner = PolicyRunner(self, read(self, PARAMETERS))
            if self._latch_reason:
                self._runner.latch_stop(self._latch_reason)
            gc.freeze()  # the collector holds up every thread while it looks at what the policies are made of
            return TransitionCallbackReturn.SUCCESS
        except (LosslessError, NameValidationException) as error:
            self._failure = error
            if not self.get_parameter("autostart").value:  # else `start` ends the process with this line
                self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            self.get_logger().error(f"cannot configure: {traceback.format_exc()}")
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
        """Stop and release everything; the process ends, since a finalized node cannot be configured again."""
        self.stop()
        self._end.set()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_cleanup(state)

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """While configured, accept only a new task, and only one whose policy is loaded."""
        changes = {row.name: row.changes for row in PARAMETERS}
        new = {parameter.name: parameter.value for parameter in parameters if parameter.name in changes}
        if self._runner is None or not new:
            self._robot_parameters.keep(new)
            return SetParametersResult(successful=True)
        fixed = ", ".join(sorted(name for name in new if changes[name] != ANY_TIME))
        if fixed:
            return SetParametersResult(successful=False, reason=f"{fixed}: fixed while configured; clean up first")
        if new["task"] not in self._runner.tasks:
            reason = str(unknown("task", new["task"], self._runner.tasks))
            return SetParametersResult(successful=False, reason=reason)
        self._runner.switch_task(new["task"])
        return SetParametersResult(successful=True)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._latch_reason = "requested by ~/stop"
        if self._runner:
            self._runner.latch_stop(self._latch_reason)
        response.success, response.message = True, "stopped until ~/resume"
        return response

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._latch_reason = ""
        return self._if_configured(PolicyRunner.release_stop, "the next good frame moves the robot", response)

    def _on_new_episode(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Reset what the policy remembers of the current episode."""
        return self._if_configured(PolicyRunner.reset, "new episode", response)

    def _if_configured(
        self, action: Callable[[PolicyRunner], None], message: str, response: Trigger.Response
    ) -> Trigger.Response:
        """Call `action` and answer with `message` if the node is configured."""
        response.success = self._runner is not None
        response.message = message if self._runner else "not configured"
        if self._runner:
            action(self._runner)
        return response

    async def _on_rescan(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Load new bundles in a thread of its own, so that commands and watchdog continue meanwhile."""
        runner = self._runner
        if runner is None:
            response.message = "not configured; all bundles of the folder are loaded at configure"
            return response
        result: Future = Future(executor=self.executor)

        def rescan() -> None:
            try:
                result.set_result((True, runner.rescan()))
            except Exception as error:  # the caller always needs an answer
                result.set_result((False, str(error)))

        threading.Thread(target=rescan, name="rescan", daemon=True).start()
        response.success, response.message = await result
        return response


def main(args: list[str] | None = None) -> int:
    """Entry point of `inference_node`."""
    if print_help("inference_node", _ABOUT, PARAMETERS, args):
        return 0
    unblock_stderr()
    return run(InferenceNode, args)


if __name__ == "__main__":
    leave(main())
