#!/bin/bash
# Makes the pictures here from the photo in /testdata/pictures. Needs: apt-get install imagemagick libjpeg-turbo-progs
set -e
cd "$(dirname "$0")"
photo=${1:?usage: make.sh PHOTO.jpg}
convert "$photo" -resize 200x200^ -gravity center -extent 45x37 -attenuate 0.4 +noise Gaussian ppm:/tmp/src.ppm
convert /tmp/src.ppm -crop 17x9+5+5 +repage ppm:/tmp/tiny.ppm
for s in 1x1 2x1 1x2 2x2 4x1 4x2 1x4 2x2,2x1,1x2 3x1 2x2,1x1,2x2; do
	cjpeg -quality 85 -sample "$s" -outfile "s_$s.jpg" /tmp/src.ppm
	cjpeg -quality 85 -sample "$s" -progressive -outfile "p_$s.jpg" /tmp/src.ppm
done
cjpeg -quality 85 -sample 2x2 -outfile tiny.jpg /tmp/tiny.ppm
cjpeg -quality 85 -grayscale -outfile gray.jpg /tmp/src.ppm
jpegtran -progressive -outfile gray_p.jpg gray.jpg
for f in s_2x2 gray; do
	jpegtran -restart 2B -outfile "${f}_rst2.jpg" $f.jpg
	jpegtran -restart 1 -progressive -outfile "${f}_rst_p.jpg" $f.jpg
done
cjpeg -quality 100 -sample 2x1 -optimize -outfile q100.jpg /tmp/src.ppm
cjpeg -quality 100 -sample 2x1 -progressive -outfile q100_p.jpg /tmp/src.ppm
cjpeg -quality 1 -sample 2x2 -outfile q1.jpg /tmp/src.ppm # 16-bit quantisers
printf '0;\n1;\n2;\n' >/tmp/scans.txt
cjpeg -quality 85 -sample 2x2 -scans /tmp/scans.txt -outfile planes.jpg /tmp/src.ppm
cjpeg -quality 85 -sample 2x2 -restart 1 -scans /tmp/scans.txt -outfile planes_rst.jpg /tmp/src.ppm
cjpeg -quality 85 -rgb -outfile rgb.jpg /tmp/src.ppm
convert /tmp/src.ppm -colorspace CMYK -quality 85 cmyk.jpg
convert /tmp/src.ppm -colorspace CMYK -quality 85 -sampling-factor 2x2 -interlace JPEG cmyk_p.jpg
