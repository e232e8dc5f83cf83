/* The page with live charts, as the build has put it together: HTML with everything in it. */
#pragma once

extern const char page_html[];
extern const char page_html_end[];
