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
  "red: missing · orange: doubtful · blue: edited": "红：缺失 · 橙：可疑 · 蓝：已修改",
  "{legend} · changes apply to frames {first}–{last}": "{legend} · 修改作用于第 {first}–{last} 帧",
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
  "Start a range of frames here; changes apply to all frames in it. Press again to clear it":
    "从这一帧开始标记范围，修改作用于整个范围；再按一次取消",
  "Clear the selection, so that changes apply to the whole figure": "取消选择，使修改作用于整个人物",
  "Select all points, to drag the whole figure": "选中所有点，以便拖动整个人物",
  "Select the whole hand, foot, face or body of the selected point": "选中该点所在的整只手、整只脚、面部或身体",
  "Select the next point": "选中下一个点",
  "Select the previous point": "选中上一个点",
  "Edit the next person, if there are several": "有多人时编辑下一个人",
  "Hide the points, so that they count as missing": "隐藏这些点，使其视为缺失",
  "Restore the points as they were detected": "恢复检测到的点",
  "Copy the points from the previous frame": "从上一帧复制这些点",
  "Interpolate linearly between the ends of the marked range": "在标记范围的两端之间线性插值",
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
  "Show or hide this list": "显示或隐藏此列表",
  "Clear the selection; press again to keep the changes and close": "先取消选择；再按一次则保留修改并关闭",

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
