"""Person selection: shared inputs, and a node for poses from other packs."""

from __future__ import annotations

from comfy_api.latest import io

from ..dispose_core.pose.openpose_json import read_openpose, write_openpose
from ..dispose_core.pose.tracking.person_selection import PersonChoice, choose_person
from . import wire_types
from .comfy_adapters.progress import interruptible, progress
from .search_aliases import search_words


def person_inputs() -> list[io.Input]:
    """Inputs of a `PersonChoice`, with the same names in all nodes."""
    return [
        io.Combo.Input(
            "person",
            options=["largest", "nearest", "tracked", "index"],
            default="largest",
            tooltip="Which person to use if there are several. largest: the largest. nearest: the "
            "one nearest to the point x, y. tracked: the one with the number index in the chosen "
            "frame. These three are tracked through the clip. index: the one with the number "
            "index in every frame, without tracking; 0 is what the official code uses.",
        ),
        io.Int.Input(
            "index",
            default=0,
            min=0,
            max=99,
            tooltip="For 'tracked' and 'index': number of the person, counted from 0.",
        ),
        io.Float.Input(
            "x",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="For 'nearest': horizontal position of the point, from 0 (left edge) to 1 "
            "(right edge).",
        ),
        io.Float.Input(
            "y",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="For 'nearest': vertical position of the point, from 0 (top edge) to 1 "
            "(bottom edge).",
        ),
        io.Int.Input(
            "frame",
            default=0,
            min=0,
            max=100000,
            tooltip="For 'nearest' and 'tracked': the frame in which to choose, counted from 0 "
            "among the frames connected here.",
        ),
    ]


class ChoosePerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DisPoseChoosePerson",
            display_name="Choose Person",
            category="DisPose/pose",
            description="Puts one of several people first; the motion of the first person is "
            "used. The others are kept after it. For poses from a file or another pack.",
            inputs=[
                wire_types.PoseKeypoint.Input(
                    "poses", tooltip="Poses with several people, from Load Poses or another pack."
                ),
                *person_inputs(),
            ],
            outputs=[
                wire_types.PoseKeypoint.Output(
                    display_name="poses",
                    tooltip="The same poses with the chosen person first, for Pose Align.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which person was chosen, in which frames that person is missing, and "
                    "where others cross.",
                ),
            ],
            **search_words("select person", "multi person", "track"),
        )

    @classmethod
    def execute(cls, poses, person, index, x, y, frame) -> io.NodeOutput:
        choice = PersonChoice(person, index, (x, y), frame)
        tick = progress(1)
        given = read_openpose(poses, on_frame=tick)
        people, report = interruptible(lambda: choose_person(given, choice))
        return io.NodeOutput(write_openpose(people, tick), "\n".join(report))
