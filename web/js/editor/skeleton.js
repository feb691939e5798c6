/** The fixed facts of the OpenPose figure of 134 points: the same as `dispose_core/pose/skeleton.py`. */

export const BODY = [
  "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
  "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
];
export const N_POINTS = 134;
/** Below this a point counts as not seen; below the other one it is worth a look. */
export const VISIBLE = 0.3;
export const DOUBTFUL = 0.5;

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

/** @type {Record<string, number[]>} */
export const GROUPS = {
  body: range(0, 18),
  left_hand: range(18, 39),
  right_hand: range(39, 60),
  face: range(60, 128),
  left_foot: range(128, 131), // big toe, small toe, heel
  right_foot: range(131, 134),
  all: range(0, 134),
};
/** The groups that a point belongs to one of, in the order of the points. */
export const PARTS = ["body", "left_hand", "right_hand", "face", "left_foot", "right_foot"];

/** Name of every point by index. */
export const NAMES = [
  ...BODY,
  ...PARTS.slice(1).flatMap((part) => GROUPS[part].map((_, i) => `${part}.${i}`)),
];

/** @type {Map<string, number[]>} indices by the name of a point or group */
export const NAMED = new Map([
  ...NAMES.map((name, i) => [name, [i]]),
  ...Object.entries(GROUPS),
]);

/** The group that a point belongs to. */
export function groupOf(point) {
  return PARTS.find((part) => GROUPS[part].includes(point));
}

export const LIMBS = [
  [1, 2], [1, 5], [2, 3], [3, 4], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10],
  [1, 11], [11, 12], [12, 13], [1, 0], [0, 14], [14, 16], [0, 15], [15, 17],
];
const FINGERS = range(0, 5).flatMap((f) =>
  range(0, 4).map((i) => [i === 0 ? 0 : 4 * f + i, 4 * f + i + 1]),
);
export const HAND_EDGES = [18, 39].map((start) =>
  FINGERS.map(([a, b]) => [start + a, start + b]),
);
/** From the ankle to the big toe and the heel, and between the toes. */
export const FOOT_EDGES = [[13, 128], [10, 131]].flatMap(([ankle, toe]) => [
  [ankle, toe], [toe, toe + 1], [ankle, toe + 2],
]);

const COLOURS = [
  [255, 0, 0], [255, 85, 0], [255, 170, 0], [255, 255, 0], [170, 255, 0], [85, 255, 0],
  [0, 255, 0], [0, 255, 85], [0, 255, 170], [0, 255, 255], [0, 170, 255], [0, 85, 255],
  [0, 0, 255], [85, 0, 255], [170, 0, 255], [255, 0, 255], [255, 0, 170], [255, 0, 85],
].map((rgb) => `rgb(${rgb})`);

/** Colour of a body point, or of the limb of that number; hands, face and feet have one each. */
export function colourOf(point) {
  if (point < 18) return COLOURS[point];
  if (point >= 128) return "rgb(120,230,140)";
  return point < 39 ? "rgb(90,190,255)" : point < 60 ? "rgb(255,150,90)" : "rgb(255,255,255)";
}

/** iBUG's 68 points: the one on the other side. */
const FACE_MIRROR = [
  ...range(0, 17).reverse(), ...range(17, 27).reverse(), ...range(27, 31), 35, 34, 33, 32, 31,
  45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
  ...range(48, 55).reverse(), 59, 58, 57, 56, 55, ...range(60, 65).reverse(), 67, 66, 65,
];
const SIDES = [
  0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16,
  ...GROUPS.right_hand, ...GROUPS.left_hand,
];
const FEET = [...GROUPS.right_foot, ...GROUPS.left_foot];
/** The point on the person's other side; for `SWAP` a face keeps its sides. */
export const MIRROR = [...SIDES, ...FACE_MIRROR.map((i) => 60 + i), ...FEET];
export const SWAP = [...SIDES, ...GROUPS.face, ...FEET];
