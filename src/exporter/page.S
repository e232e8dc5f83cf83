/* The file that src/exporter/page/bundle.sh has made. */
	.section .rodata
	.globl	page_html
	.hidden	page_html
	.globl	page_html_end
	.hidden	page_html_end
page_html:
	.incbin	PAGE
page_html_end:
	.byte	0
	.section .note.GNU-stack, "", @progbits
