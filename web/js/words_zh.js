/** Chinese for what our own pieces of the page say. */

/** @type {Record<string, string>} */
export const CHINESE = {
  // The button on the node, and messages instead of the editor
  "Open pose editor": "打开姿态编辑器",
  "Pose Editor": "姿态编辑器",
  "ComfyUI does not answer. Check that it is running, then open the editor again.":
    "ComfyUI 没有响应。请确认它正在运行，然后重新打开编辑器。",
  "There are no poses to edit yet. Run the workflow once, then open the editor: it shows the poses and images of the last run. They are lost when ComfyUI restarts.":
    "还没有可编辑的姿态。请先运行一次工作流，再打开编辑器：它显示上一次运行的姿态和图像。ComfyUI 重启后它们会丢失。",
  "The edits of this node come from another node. Disconnect them to edit here.":
    "此节点的修改来自另一个节点。断开连接后才能在这里编辑。",
  "Clear the edits": "清空修改",
  "Deletes the text": "删除该文本",
  "Close": "关闭",

  // The editor's window
  "Done": "完成",
  "Keep the changes and close (Escape)": "保留修改并关闭（Escape）",
  "Discard": "放弃",
  "Discard all changes made since the editor was opened, and close": "放弃打开编辑器以来的所有修改并关闭",
  "Frame": "帧",
  "{count} edits": "{count} 条修改",
  "1 edit": "1 条修改",
  "{edits} · {lost} no longer apply: edit {number}: {text}": "{edits} · {lost} 条已不适用：第 {number} 条：{text}",
  "edit {number}: {text}": "第 {number} 条：{text}",
  "red: missing · orange: doubtful · blue: edited · ◆ key": "红：缺失 · 橙：可疑 · 蓝：已修改 · ◆ 关键帧",
  "{legend} · changes apply to frames {first}–{last}": "{legend} · 修改作用于第 {first}–{last} 帧",
  "{legend} · this frame is outside the selected frames {first}–{last}: changes apply to it alone":
    "{legend} · 此帧不在选中的第 {first}–{last} 帧之内：修改只作用于此帧",
  "{count} frames": "{count} 帧",
  "Select a point to see its curves.": "选中一个点即可查看其曲线。",
  "person {person} of {people}": "第 {person} 人，共 {people} 人",
  "missing in this frame: click the image or press Alt + arrow to place it":
    "此帧缺失：点击图像或按 Alt + 方向键放置",
  "score {score}": "置信度 {score}",
  "score {score}, doubtful": "置信度 {score}，可疑",
  "{count} points": "{count} 个点",
  "whole figure": "整个人物",
  "Missing in this frame; click to select it": "此帧缺失：点击选中",
  "{help} ({key})": "{help}（{key}）",
  "Mark a range first: go to one end, press Mark range (B), and go to the other end. There must be at least one frame in between.":
    "请先标记范围：到一端按“标记范围”（B），再到另一端。两端之间至少要有一帧。",
  "This is the first frame; there is no previous frame to copy from.": "这是第一帧：前面没有可复制的帧。",
  "None of these points is in this frame.": "此帧中没有这些点。",
  "Nothing was changed: {problem}.": "没有任何改动：{problem}。",
  "Select several frames first: drag on the timeline with Shift, or press Mark range (B) at both ends.":
    "请先选中多帧：按住 Shift 在时间轴上拖动，或在两端各按一次“标记范围”（B）。",
  "These points have no key in this frame. Set one with Set key (K).": "这些点在此帧没有关键帧。请用“设关键帧”（K）设置。",
  "There are no more keys.": "没有更多关键帧。",
  "Copied {count} points of frames {first}–{last}. Paste (Ctrl+V) puts them at the current frame.":
    "已复制第 {first}–{last} 帧的 {count} 个点。“粘贴”（Ctrl+V）会将其放到当前帧。",
  "Copy a pose or selected frames first (Ctrl+C).": "请先复制一个姿态或选中的帧（Ctrl+C）。",
  "What was copied belongs to person {person}. Go to that person (P), or copy again.":
    "复制的内容属于第 {person} 人。请切换到该人（P），或重新复制。",
  "Connect a pose to the input reference of the node and run the workflow to see it here.":
    "将姿态连接到节点的“参考”输入（reference）并运行工作流，即可在此看到它。",
  "There are no more frames with missing or doubtful points.": "没有更多包含缺失或可疑点的帧。",

  // Headings and buttons
  "Frames": "帧",
  "Points": "关键点",
  "Change": "修改",
  "View": "视图",
  "Play": "播放",
  "◀ Frame": "◀ 帧",
  "Frame ▶": "帧 ▶",
  "◀ Flagged": "◀ 可疑",
  "Flagged ▶": "可疑 ▶",
  "◀ Key": "◀ 关键帧",
  "Key ▶": "关键帧 ▶",
  "Mark range": "标记范围",
  "Clear selection": "取消选择",
  "Select all": "全选",
  "Select group": "选中所在组",
  "Next point": "下一个点",
  "Next person": "下一个人",
  "Hide": "隐藏",
  "Restore": "恢复",
  "Copy previous": "复制上一帧",
  "Interpolate": "插值",
  "Reverse": "倒放",
  "Copy": "复制",
  "Paste": "粘贴",
  "Motion": "运动",
  "Set key": "设关键帧",
  "Remove key": "删关键帧",
  "Linear": "线性",
  "Smooth": "平滑",
  "Hold": "停住",
  "Keep": "原样",
  "Larger": "放大",
  "Smaller": "缩小",
  "Mirror": "镜像",
  "Swap sides": "左右互换",
  "Undo": "撤销",
  "Redo": "重做",
  "Fit": "适应窗口",
  "Zoom in": "拉近",
  "Zoom out": "拉远",
  "Hands": "双手",
  "Face": "面部",
  "Image": "图像",
  "Onion skin": "洋葱皮",
  "Reference": "参考",
  "Curves": "曲线",
  "Opacity of onion skin and reference": "洋葱皮和参考的不透明度",
  "Help": "帮助",

  // What they do
  "Play or stop": "播放或停止",
  "Previous frame": "上一帧",
  "Next frame": "下一帧",
  "Ten frames back": "后退十帧",
  "Ten frames forward": "前进十帧",
  "First frame": "第一帧",
  "Last frame": "最后一帧",
  "Previous frame with a missing or doubtful point": "上一个有缺失或可疑点的帧",
  "Next frame with a missing or doubtful point": "下一个有缺失或可疑点的帧",
  "Previous key of the points": "这些点的上一个关键帧",
  "Next key of the points": "这些点的下一个关键帧",
  "Start to select frames here; press again at the other end, and a third time to clear (Shift + drag on the timeline)":
    "从这一帧开始选择帧；到另一端再按一次结束，第三次取消（或按住 Shift 在时间轴上拖动）",
  "Clear the selection, so that changes apply to the whole figure": "取消选择，使修改作用于整个人物",
  "Select all points, to drag the whole figure": "选中所有点，以便拖动整个人物",
  "Select the whole hand, foot, face or body of the selected point": "选中该点所在的整只手、整只脚、面部或身体",
  "Select the next point": "选中下一个点",
  "Select the previous point": "选中上一个点",
  "Edit the next person, if there are several": "有多人时编辑下一个人",
  "Hide the points, so that they count as missing": "隐藏这些点，使其视为缺失",
  "Restore the points as they were detected": "恢复检测到的点",
  "Copy the points from the previous frame": "从上一帧复制这些点",
  "Interpolate between the ends of the selected frames": "在选中帧的两端之间插值",
  "Play the points backwards in the selected frames": "在选中的帧内倒放这些点",
  "Copy the points of this frame, or of the selected frames": "复制此帧或选中帧的这些点",
  "Paste at this frame; into selected frames again and again until they are full":
    "从此帧起粘贴；选中了多帧时循环填满",
  "Set a key for the points; between keys they are interpolated, and dragging there sets another":
    "为这些点设关键帧；关键帧之间自动插值，在其间拖动会再设一个",
  "Remove the keys of the points from this frame, or from the selected frames": "删除这些点在此帧或选中帧的关键帧",
  "Change the ease of the keys around this frame, and of new ones: linear, smooth, hold, keep":
    "切换此帧前后及新关键帧的缓动：线性、平滑、停住、原样",
  "At even speed to the next key (E)": "匀速到下一个关键帧（E）",
  "Slowly away from the key and slowly towards the next one (E)": "缓慢离开关键帧，缓慢到达下一个（E）",
  "Stay until the next key (E)": "停住，直到下一个关键帧（E）",
  "Leave the frames up to the next key as they are (E)": "到下一个关键帧之前的帧保持原样（E）",
  "Scale up around the centre": "以中心为基准放大",
  "Scale down around the centre": "以中心为基准缩小",
  "Mirror the figure horizontally": "左右镜像翻转人物",
  "Swap left and right limbs if they were confused": "左右肢体被混淆时互换",
  "Alt + arrows: move the points in small steps": "Alt + 方向键：微移这些点",
  "Alt + Shift + arrows: move the points in larger steps": "Alt + Shift + 方向键：大幅移动这些点",
  "Undo the last change": "撤回上一次修改",
  "Redo the change that was undone": "重做刚撤销的修改",
  "Show the whole image": "显示整张图像",
  "Zoom in (mouse wheel)": "拉近（鼠标滚轮）",
  "Zoom out (mouse wheel)": "拉远（鼠标滚轮）",
  "Ctrl + arrows: pan (drag with the right or middle button)": "Ctrl + 方向键：平移（或用鼠标右键、中键拖动）",
  "Show or hide the hands": "显示或隐藏双手",
  "Show or hide the face": "显示或隐藏面部",
  "Show or hide the image": "显示或隐藏图像",
  "Show or hide the figure in the three frames before (orange) and after (blue)": "显示或隐藏前三帧（橙）和后三帧（蓝）的人物",
  "Show or hide the silhouette of the reference pose": "显示或隐藏参考姿态的剪影",
  "Show or hide the curves of the selected point": "显示或隐藏所选点的曲线",
  "Show or hide this list": "显示或隐藏此列表",
  "Clear the selection of points, then that of frames; then keep the changes and close":
    "先取消选中的点，再取消选中的帧；然后保留修改并关闭",

  // The views in the nodes
  "The images of this run have been deleted. Run the workflow again to see them.": "这次运行的图像已被清除。请再次运行工作流。",
  "Play or pause": "播放或暂停",
  "Pause": "暂停",
  "What is shown": "显示内容",
  "Speed": "速度",
  "Person": "人物",
  "The moving reference person": "运动中的参考人物",
  "Overlay": "叠加",
  "The moving person, half transparent, over the reference image": "运动中的人物半透明地叠加在参考图上",
  "Flow": "光流",
  "Motion as colours: hue is direction, saturation is distance": "用颜色表示运动：色相为方向，饱和度为距离",
  "Arrows": "箭头",
  "Arrows from points on the reference image to where they move": "从参考图上各处指向其移动到的位置",
  "Joint": "关节",
  "Image: click to add a point, click a point to remove it": "图像：点击添加点，点击已有的点将其删除",
  "{count} own points; run again to see their paths": "{count} 个自选点；再次运行可查看其路径",
  "Reference: click a joint": "参考图：点击关节",
  "Target: matches of the joint": "目标图：关节匹配的位置",
  "similarity {best}, lowest elsewhere {lowest}": "相似度 {best}，其他位置最低 {lowest}",
};

/**
 * @param {string} locale "zh" is Chinese, as for help and names; all others are English
 * @param {string} english with {name} where a value goes
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function translate(locale, english, values = {}) {
  const text = (locale === "zh" && CHINESE[english]) || english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
