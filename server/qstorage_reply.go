package server

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/thumb"
)

// qstorageCodes are the codes of qstorage.md with their texts in three languages.
// What is not here is our fault.
var qstorageCodes = []struct {
	err            error
	code           string
	en, zhTW, zhCN string
}{
	{errLang, "999004", "parameter lang lost or incorrect", "lang參數錯誤或不存在", "lang参数错误或不存在"},
	{errMissing, "997902", "mandatory field lost", "必填欄位缺失", "必填字段缺失"},
	{errField, "997903", "field format error", "欄位格式錯誤", "字段格式错误"},
	{errFieldLong, "997901", "the length of field is too long", "欄位長度太長", "字段长度太长"},
	{errUnknownApp, "999010", "app-key incorrect", "app-key參數錯誤", "app-key参数错误"},
	{errNotOwner, "999010", "app-key incorrect", "app-key參數錯誤", "app-key参数错误"},
	{errOrigin, "999010", "app-key incorrect", "app-key參數錯誤", "app-key参数错误"},
	{sign.ErrSignature, "999008", "signature is invalid", "Signature驗證碼不正確", "Signature验证码不正确"},
	{sign.ErrTime, "999011", "signature overtime", "signature誤差超過15分鐘", "signature误差超过15分钟"},
	{errAccount, "997904", "account not exist", "帳號不存在", "账号不存在"},
	{errNotForm, "999005", "content type parameter invalid", "Content-Type錯誤", "Content-Type错误"},
	{errForm, "999006", "input format is invalid", "傳入格式錯誤", "传入格式错误"},
	{errNoFile, "999006", "input format is invalid", "傳入格式錯誤", "传入格式错误"},
	{errBody, "999006", "input format is invalid", "傳入格式錯誤", "传入格式错误"},
	{thumb.ErrFormat, "997905", "upload data type is not allow", "上傳類型不符規定", "上传类型不符规定"},
	{thumb.ErrUnsupported, "997905", "upload data type is not allow", "上傳類型不符規定", "上传类型不符规定"},
	{thumb.ErrDamaged, "997905", "upload data type is not allow", "上傳類型不符規定", "上传类型不符规定"},
	{errTooLarge, "997908", "file size exceeds the allowable limit", "上傳檔案超過大小限制", "上传文件超过大小限制"},
	{thumb.ErrTooLarge, "997908", "file size exceeds the allowable limit", "上傳檔案超過大小限制", "上传文件超过大小限制"},
	{thumb.ErrTooSlow, "997908", "file size exceeds the allowable limit", "上傳檔案超過大小限制", "上传文件超过大小限制"},
	{errQuota, "997908", "file size exceeds the allowable limit", "上傳檔案超過大小限制", "上传文件超过大小限制"},
	{errAuthority, "997998", "no authority to delete this file", "沒有權限刪除此檔案", "没有权限删除此文件"},
	{errNoPicture, "997909", "no file to delete", "查無檔案可刪除", "查无文件可删除"},
	{errRate, "997999", "unknown error", "其他未知錯誤", "其他未知错误"},
	{errBusy, "997999", "unknown error", "其他未知錯誤", "其他未知错误"},
	{errInternal, "997999", "unknown error", "其他未知錯誤", "其他未知错误"},
}

func knownLang(lang string) bool { return lang == "en-us" || lang == "zh-tw" || lang == "zh-cn" }

// envelope is every answer of QStorage. ResultCode is a string: clients compare
// it with ===.
type envelope struct {
	ResultCode string
	Message    string
	Content    any
}

// qstorage answers with the envelope of QStorage, always with status 200, but 429 to who
// asks too often and 503 when there is too much to do.
func (s *Server) qstorage(h handler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		res, err := s.limited(ctx, h)
		drain(ctx)
		answer := envelope{ResultCode: "1", Content: res}
		if err != nil {
			answer = s.qstorageError(ctx, err)
		}
		s.count("qstorage", answer.ResultCode)
		ctx.SetContentType("application/json")
		ctx.SetBody(plainJSON(answer))
	}
}

func (s *Server) qstorageError(ctx *fasthttp.RequestCtx, err error) envelope {
	row := qstorageCodes[len(qstorageCodes)-1]
	for _, r := range qstorageCodes {
		if errors.Is(err, r.err) {
			row = r
			break
		}
	}
	s.refused(ctx, err, row.err != errInternal)
	tellBusy(ctx, err)
	text := row.en
	switch lang, _ := query(ctx, "lang"); lang {
	case "zh-tw":
		text = row.zhTW
	case "zh-cn":
		text = row.zhCN
	}
	return envelope{ResultCode: row.code, Message: text, Content: ""}
}

// field is one member of a JSON object whose order clients may rely on.
type field struct {
	key   string
	value any
}

type fields []field

// MarshalJSON writes the members in their order.
func (f fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(plainJSON(m.key))
		b.WriteByte(':')
		b.Write(plainJSON(m.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

var _ json.Marshaler = fields(nil)
