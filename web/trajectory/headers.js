/**
 * What the columns of a table of boxes are called: in ours, and in those of pandas, supervision and VoTT. The rules are
 * those of smcd_core/trajectory/formats/headers.py.
 */

export const CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"];

// Names of each column, in lower case and without spaces, dashes and underscores; the first one that is there counts.
const NAMES = {
  frame: "frame frameid frameindex frameidx framenumber framenum frameno image imageid filename imagepath path",
  object: "trackid trackerid objectid objid object track id",
  label: "classname categoryname labelname label name class category object",
  x1: "x1 xmin left bbleft boxleft bboxleft bboxx1 xtl",
  y1: "y1 ymin top bbtop boxtop bboxtop bboxy1 ytl",
  x2: "x2 xmax right bbright bboxright bboxx2 xbr",
  y2: "y2 ymax bottom bbbottom bboxbottom bboxy2 ybr",
  x: "x bboxx",
  y: "y bboxy",
  w: "w width bbwidth boxwidth bboxwidth bboxw",
  h: "h height bbheight boxheight bboxheight bboxh",
  cx: "cx xcenter xcentre centerx centrex",
  cy: "cy ycenter ycentre centery centrey",
  imageW: "imagewidth imgwidth framewidth videowidth imwidth",
  imageH: "imageheight imgheight frameheight videoheight imheight",
  gone: "lost outside outofview absent",
  seen: "visible inview present",
  conf: "conf confidence score",
};
export const VIDEO_COLUMNS = "video videoid videoname sequence sequenceid sequencename clip clipid".split(" ");
export const CORNERS = [["x1", "y1", "x2", "y2"], ["x1", "y1", "w", "h"], ["x", "y", "w", "h"], ["cx", "cy", "w", "h"]];

/** A name of a column as it is compared. @param {string} name */
export function plainName(name) {
  return name.toLowerCase().replace(/[\s_.-]/g, "");
}

/**
 * The place of each known column of a header, null if it does not tell boxes by frame.
 *
 * @param {string[]} header
 * @returns {Map<string, number> | null}
 */
export function columnsOf(header) {
  const places = knownColumns(header);
  return places.has("frame") && CORNERS.some((names) => names.every((name) => places.has(name))) ? places : null;
}

/** The columns that a header lacks, null if it has none. @param {string[]} header */
export function lacking(header) {
  const places = knownColumns(header);
  const foundOf = (names) => names.filter((name) => places.has(name)).length;
  const most = CORNERS.reduce((best, names) => (foundOf(names) > foundOf(best) ? names : best));
  const isBox = foundOf(most) > 0;
  if (!isBox && !places.has("frame")) return null;
  const frame = places.has("frame") ? [] : ["frame"];
  return [...frame, ...(isBox ? most.filter((name) => !places.has(name)) : [CORNERS[0].join(", ")])].join(", ");
}

/** The place of each known column of a header. @param {string[]} header @returns {Map<string, number>} */
export function knownColumns(header) {
  const plain = header.map(plainName);
  const places = new Map();
  for (const [column, names] of Object.entries(NAMES)) {
    const taken = [...places.values()];
    const name = names.split(" ").find((one) => plain.includes(one) && !taken.includes(plain.indexOf(one)));
    if (name) places.set(column, plain.indexOf(name));
  }
  return places;
}

/** The first known column that a header names twice, undefined if there is none. @param {string[]} header */
export function repeated(header) {
  const plain = header.map(plainName);
  const place = [...knownColumns(header).values()].find((one) => plain.indexOf(plain[one]) !== plain.lastIndexOf(plain[one]));
  return place === undefined ? undefined : header[place];
}

/** Of lines of one object. */
export const LINE_HEADERS = { x1y1x2y2: "xyxy", xminyminxmaxymax: "xyxy", xywh: "xywh", xywidthheight: "xywh" };

/** Whether fields may name columns, known or not: different words. A first line of "none" or "10px" is data. @param {string[]} fields */
export function areWords(fields) {
  return fields.every((field) => /^\p{L}/u.test(field)) && new Set(fields).size === fields.length;
}

/** Whether fields name columns that are known. @param {string[]} fields */
export function isHeader(fields) {
  return Object.hasOwn(LINE_HEADERS, fields.map(plainName).join("")) || columnsOf(fields) !== null;
}
