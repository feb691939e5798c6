"""Prepare all inputs of the sampler from a plan."""

from __future__ import annotations

from torch import Tensor

from ..features.features_file import load_features
from ..features.keypoint_features import KeypointFeatures, keypoint_features
from ..pose.alignment.align import AlignOptions
from ..pose.pose_files import CanvasSize
from ..pose.sequence import PoseSequence
from . import preprocess
from .components import Components
from .inputs import PipelineInputs
from .pipeline import StageProgress
from .plan import AnimationPlan
from .skeletons import SkeletonImages


def read_inputs(
    plan: AnimationPlan, components: Components, stage_progress: StageProgress
) -> tuple[PipelineInputs, list[str]]:
    """Prepare the inputs of a run, with a report.

    Raises:
        DisPoseError: nobody in the image or video, poses that do not match it, or an unreadable
            file.
    """
    config, official = plan.settings, plan.settings.official

    reference = preprocess.fit_reference(
        plan.image,
        plan.size,
        lambda: components.detector(config),
        config.reference_pose,
        config.threshold,
        official,
    )
    driving, lines = _driving_poses(plan, components, stage_progress)
    options = AlignOptions(method=config.method, smoothing=config.smoothing, fps=float(plan.fps))
    aligned = preprocess.align_to_reference(reference, driving, options, official)

    motion, motion_report, features = None, [], None
    if config.uses_control:
        subject = preprocess.fitted_mask(config.mask, plan.size)
        densifier = components.densifier(
            config.densifier_name, subject, config.densifier_files, official
        )
        motion = preprocess.build_motion_field(
            reference, aligned, densifier, official, stage_progress("motion field")
        )
        motion_report = motion.report
        if config.features is not None:
            features = load_features(config.features)
        elif config.makes_features:
            features = make_features(reference, components, stage_progress)
    inputs = PipelineInputs(
        image=reference.image,
        pose_images=SkeletonImages(reference.people, aligned.driving, plan.size),
        motion=motion,
        poses=aligned.poses,
        features=features,
    )
    return inputs, [*lines, *aligned.report, *motion_report]


def make_features(
    reference: preprocess.FittedReference, components: Components, stage_progress: StageProgress
) -> KeypointFeatures:
    """Keypoint features of the reference person, from SD 1.5 features of its image."""
    feature_map: Tensor = components.feature_map(reference.image, stage_progress("features"))
    return keypoint_features(feature_map, reference.people[0], reference.size)


def _driving_poses(
    plan: AnimationPlan, components: Components, stage_progress: StageProgress
) -> tuple[list[PoseSequence], list[str]]:
    config = plan.settings
    if config.poses is not None:
        canvas = config.canvas or CanvasSize(plan.driver.height, plan.driver.width)
        return preprocess.load_driving_poses(config.poses, config.person, plan.num_driving, canvas)
    return preprocess.detect_driving_poses(
        plan.driving,
        plan.frames_used,
        lambda: components.detector(config),
        config.person,
        config.threshold,
        stage_progress("detection"),
    )
