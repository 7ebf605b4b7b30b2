/** What the page needs besides its HTML: the stylesheet and the client's script as text, and the tab's icon. */
import css from "./page.css" with { type: "text" };
import js from "./page.js" with { type: "text" };
import changeJs from "./page_change.js" with { type: "text" };
import timeJs from "./page_time.js" with { type: "text" };

export { iconSvg } from "./page_shapes.tsx";

export const pageCss: string = css;
export const pageJs: string = js;
export const pageChangeJs: string = changeJs;
export const pageTimeJs: string = timeJs;
