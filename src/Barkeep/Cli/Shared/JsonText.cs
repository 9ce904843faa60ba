using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Barkeep.Cli.Shared;

/// <summary>JSON on one line as Barman's users know it: keys in order, a space after each comma and colon, no line feed at the end.</summary>
static class JsonText
{
    public static string Of(JsonNode? node)
    {
        var text = new StringBuilder();
        Append(text, node);
        return text.ToString();
    }

    static void Append(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case null:
                text.Append("null");
                break;
            case JsonObject map:
                AppendList(text, '{', '}', map.OrderBy(static p => p.Key, StringComparer.Ordinal), static (to, property) =>
                {
                    AppendString(to, property.Key);
                    to.Append(": ");
                    Append(to, property.Value);
                });
                break;
            case JsonArray list:
                AppendList(text, '[', ']', list, Append);
                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                AppendString(text, value.GetValue<string>());
                break;
            default:
                text.Append(node.ToJsonString());
                break;
        }
    }

    static void AppendList<T>(StringBuilder text, char open, char close, IEnumerable<T> items, Action<StringBuilder, T> append)
    {
        text.Append(open);
        var first = true;
        foreach (var item in items)
        {
            if (!first)
            {
                text.Append(", ");
            }
            first = false;
            append(text, item);
        }
        text.Append(close);
    }

    static void AppendString(StringBuilder text, string value) =>
        text.Append('"').Append(JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value)).Append('"');
}
