/**
 * Translated refusals, by language and English template as in trajectory/refusal.js, with the field names and parts
 * that appear in them.
 */

/** @type {Record<string, Record<string, string>>} */
export const REFUSALS = {
  zh: {
    "box [{0}] is not finite: numbers expected": "框 [{0}] 不是有限的数：请输入数字",
    "a visible box is NaN or infinite: repair the boxes before clipping them": "可见的框含有 NaN 或无穷大：请先修复",
    "a trajectory is JSON text, not {0}": "轨迹应为 JSON 文本，而不是 {0}",
    "the trajectory has {0} characters, the limit is {1}": "轨迹有 {0} 个字符，上限为 {1}",
    "the trajectory": "轨迹",
    "{0} is nested too deeply to be one": "{0}嵌套过深，无法读取",
    "{0} is not JSON: {1}": "{0}不是 JSON：{1}",
    "the trajectory is {0}: it must be a JSON object": "轨迹是 {0}：应为 JSON 对象",
    "the trajectory lacks version: this editor reads up to version {0}": "轨迹缺少 version：此编辑器最高可读取版本 {0}",
    "version is {0}: this editor reads up to version {1}": "version 为 {0}：此编辑器最高可读取版本 {1}",
    "{0} has a key at frame {1} after one at frame {2}: sort them, one per frame":
      "{0} 中第 {1} 帧的关键帧排在第 {2} 帧之后：请排序，每帧一个",
    "{0} is {1}: write it like #e69f00": "{0} 为 {1}：请写成 #e69f00 的形式",
    "{0}, frame {1}": "{0}，第 {1} 帧",
    "{0}: ease": "{0}：ease",
    "{0}: visible": "{0}：visible",
    "{0}: box": "{0}：box",
    "{0}: box {1} is inverted, {2}2 < {3}1: swap the two": "{0}：框 {1} 是反的，{2}2 < {3}1：请交换两者",
    "{0} is {1}: use {2}, or four numbers x1, y1, x2, y2": "{0} 为 {1}：请使用 {2}，或四个数 x1, y1, x2, y2",
    "two objects have the id {0}: ids must differ": "两个对象的 id 都是 {0}：id 不能相同",
    "{0} is {1}: it must be a JSON object": "{0} 为 {1}：应为 JSON 对象",
    "{0} lacks {1}: it takes {2}": "{0} 缺少 {1}：应有 {2}",
    "{0} has an unknown key {1}: it takes {2}": "{0} 含有未知的键 {1}：可用 {2}",
    "{0} is {1}: it must be a list": "{0} 为 {1}：应为列表",
    "{0} to {1}": "{0} 到 {1}",
    "{0} has {1} entries: it takes {2}": "{0} 有 {1} 项：应为 {2} 项",
    "{0} is {1}: give a number from {2} to {3}": "{0}为 {1}：请输入 {2} 到 {3} 之间的数",
    "{0} is {1}: give a whole number from {2} to {3}": "{0}为 {1}：请输入 {2} 到 {3} 之间的整数",
    "{0} is {1}: it must be true or false": "{0} 为 {1}：应为 true 或 false",
    "{0} is {1}: it must be text": "{0}为 {1}：应为文本",
    "{0} has {1} characters, the limit is {2}": "{0}有 {1} 个字符，上限为 {2}",
    "{0} is {1}: half of a surrogate pair is not text": "{0}为 {1}：半个代理对不是文本",
    "{0} is empty: leave it out or give it a name": "{0} 为空：请省略，或给它一个名称",
    "mode is {0}: use keep, stretch or crop": "mode 为 {0}：请使用 keep、stretch 或 crop",
    "a key at frame {0} lies past the end of {1} frames: use stretch or crop":
      "第 {0} 帧的关键帧超出了 {1} 帧的结尾：请选择拉伸或裁剪",
    "object {0} cannot follow itself: choose another": "对象 {0} 不能跟随自己：请选择另一个",
    "the file has {0} characters, the limit is {1}": "文件有 {0} 个字符，上限为 {1}",
    "the file is empty: expected boxes": "文件为空：应含有框",
    "the file has more than {0} lines, the limit": "文件超过 {0} 行的上限",
    "line {0}": "第 {0} 行",
    "the file does not look like {0}: it could be xyxy, xywh, mot or csv":
      "文件不像 {0}：可以是 xyxy、xywh、mot 或 csv",
    "the file does not look like {0}: it is {1}": "文件不像 {0}：它是 {1}",
    "the file": "文件",
    "the file is a JSON list: expected 'objects' (a trajectory)": "文件是 JSON 列表：应含有“objects”（轨迹）",
    "the file is YouTube-VIS, which holds many videos: read it with the import node":
      "文件是 YouTube-VIS，含有多个视频：请用导入节点读取",
    "the file is JSON with keys {0}: expected 'objects' (a trajectory)":
      "文件是键为 {0} 的 JSON：应含有“objects”（轨迹）",
    "4 numbers per line may be x1,y1,x2,y2 or x,y,w,h: choose one":
      "每行 4 个数可能是 x1,y1,x2,y2 或 x,y,w,h：请说明是哪一种",
    "6 numbers per line may be MOT or corners: choose MOT, or add the header {0}":
      "每行 6 个数可能是 MOT 或角点：请选择 MOT，或在首行写上 {0}",
    "4 numbers, 7 to 10 numbers (MOT), JSON, or the header {0}": "4 个数、7 到 10 个数（MOT）、JSON，或表头 {0}",
    "line 1: found {0} fields, first is {1}; expected {2}": "第 1 行：有 {0} 个字段，第一个是 {1}；应为 {2}",
    "{0}: is empty: expected boxes": "{0}：为空：应含有框",
    "{0}: has {1} characters, the limit is {2}: expected boxes": "{0}：有 {1} 个字符，上限为 {2}：应含有框",
    "{0}: found {1} fields, expected {2}": "{0}：有 {1} 个字段，应为 {2}",
    "{0}: found {1}, expected a number in each of {2}": "{0}：发现 {1}，{2} 中的每一项都应为数字",
    "width and height of 0 or more": "宽和高不小于 0",
    "{0}: found box [{1}], expected {2}": "{0}：发现框 [{1}]，应为 {2}",
    "{0}: found frame {1}, id {2}; expected whole numbers, frames from 1":
      "{0}：发现帧 {1}、id {2}；应为整数，帧从 1 开始",
    "{0}: found frame {1}, expected a whole number from 0": "{0}：发现帧 {1}，应为从 0 开始的整数",
    "1 to {0} frames and up to {1} objects": "1 到 {0} 帧，最多 {1} 个对象",
    "the file has {0} frames and {1} objects; expected {2}": "文件有 {0} 帧、{1} 个对象；应为 {2}",
    "1 frame": "1 帧",
    "{0} frames": "{0} 帧",
    "the file has boxes up to frame {0} of {1}: add {2} or cut the file":
      "文件中的框到第 {0} 帧，而总共 {1} 帧：请增加 {2}，或截短文件",
    "{0}: found a second box for object {1} in the same frame": "{0}：对象 {1} 在同一帧有第二个框",
    "the file has {0} frames, expected {1}: change one of the two":
      "文件有 {0} 帧，而应为 {1} 帧：请更改其中之一",
    "tolerance is {0}: give 0 or more, in units of the frame": "tolerance 为 {0}：请输入不小于 0 的数，以画面为单位",
    "frame {0} has {1} objects but there are {2} phrases": "第 {0} 帧有 {1} 个对象，但有 {2} 个短语",
    "frames {0} to {1} leave no time to move: choose a later end frame": "第 {0} 到 {1} 帧没有运动的时间：请把结束帧推后",
    "there is no object {0}: choose one from the list": "没有对象 {0}：请从列表中选择",
    "there would be {0} objects, the limit is {1}: remove some first": "将有 {0} 个对象，上限为 {1}：请先移除一些",
    "object {0} is invisible at frame {1}, bbox.txt needs a box per frame: show it or use another format":
      "对象 {0} 在第 {1} 帧不可见：bbox.txt 需要它在所有帧可见，请显示它或保存为其他格式",
    "the trajectory in the image is compressed: use the original file": "图片中的文本被压缩：请使用原来的图片",
    "the trajectory in the image is cut off: download the file again": "图片中的文本不完整：请重新下载文件",
    "the trajectory in the image is not UTF-8: download the file again": "图片中的文本不是 UTF-8：请重新下载文件",
    "the card could not be drawn: save the JSON file instead": "无法绘制分享卡：请改为保存 JSON 文件",
    "the file is not a PNG image": "文件不是 PNG 图片",
    "the image ends after {0} bytes: download the file again": "图片在 {0} 字节后中断：请重新下载文件",
    "the image is damaged at byte {0} ({1}): download the file again": "图片在第 {0} 字节（{1}）处损坏：请重新下载文件",
    "object {0}": "对象 {0}",
    "keyframe {0}": "关键帧 {0}",
    "{0}: starts at frame {1} of {2}: ask for more frames":
      "{0}：从第 {1} 帧开始，而总共 {2} 帧：请增加帧数",
    "{0}: found end_frame {1} before start_frame {2}":
      "{0}：end_frame {1} 在 start_frame {2} 之前",
    "{0}: has no keyframes; expected a list of frame and box":
      "{0}：没有关键帧；应为 frame 和 box 的列表",
    "{0}: found box {1}, expected [x1, y1, x2, y2] in pixels":
      "{0}：发现框 {1}，应为以像素为单位的 [x1, y1, x2, y2]",
    "{0}: found strength {1}, expected a number from 0": "{0}：发现强度 {1}，应为不小于 0 的数",
    "the file has no list under keyframe; expected bbox_ratios, frame and prompt in each":
      "文件的 keyframe 下没有列表；每项应有 bbox_ratios、frame 和 prompt",
    "{0}: frame is no whole number from 0 to {1}": "{0}：frame 不是 0 到 {1} 之间的整数",
    "left, top, right, bottom in shares of the frame": "以画面比例表示的左、上、右、下",
    "{0}: bbox_ratios are no four numbers: {1}": "{0}：bbox_ratios 不是四个数：{1}",
    "{0}: prompt is no text": "{0}：prompt 不是文本",
    "{0}: found {1}, expected shares of the frame": "{0}：发现 {1}，应为画面的比例",
    "line {0}: has aliases (*): write out what they stand for":
      "第 {0} 行：含有别名（*）：请写出其内容",
    "line {0}: is not YAML of plain lists, texts and numbers: {1}":
      "第 {0} 行：不是由普通列表、文本和数字组成的 YAML：{1}",
    "the file is an array [{0}]; expected {1}": "文件是数组 [{0}]；应为 {1}",
    "the file holds a number that is no finite one of up to {0} pixels":
      "文件含有不是有限数或超过 {0} 像素的数",
    "all points of the file are 0 to 1, which are shares of the picture, not pixels":
      "文件中的点都在 0 到 1 之间，是画面的比例而不是像素",
    "the file is not an array of numbers: save it again with numpy.save":
      "文件不是数字数组：请用 numpy.save 重新保存",
    "numbers for up to {0} frames and {1} objects": "最多 {0} 帧、{1} 个对象的数字",
    "the file is an array {0}; expected {1}": "文件是数组 {0}；应为 {1}",
    "{0} has keyframes in frames {1} and {2}": "{0} 在第 {1} 帧和第 {2} 帧有关键帧",
    "{0}; TrailBlazer needs a frame between: move one of them":
      "{0}；TrailBlazer 需要两者之间有一帧：请移动其中之一",
    "there is no enabled object: SG-I2V needs one or more": "没有启用的对象：SG-I2V 至少需要一个",
    "object {0} is disabled: enable it, or select another": "对象 {0} 已停用：请启用它，或选择另一个",
    "object {0} is hidden in frame {1}; {2} cannot say so: show it, or disable the object":
      "对象 {0} 在第 {1} 帧隐藏；{2} 无法表示：请显示它，或停用该对象",
    "this format holds one object: select the one to save": "此格式只能保存一个对象：请选择要保存的对象",
    // Names of input fields.
    phrase: "短语",
    color: "颜色",
    strength: "强度",
    frames: "总帧数",
    fps: "帧率",
    width: "宽度",
    height: "高度",
    from: "起始帧",
    to: "结束帧",
    zoom: "缩放",
    turns: "圈数",
    bounces: "次数",
    factor: "放大倍数",
  },
};
