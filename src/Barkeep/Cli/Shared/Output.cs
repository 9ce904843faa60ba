using System.Text.Json.Nodes;
using Barkeep.Configuration;

namespace Barkeep.Cli.Shared;

/// <summary>
/// What a command says. For people: results and progress on stdout, warnings and errors on stderr, as they come. As JSON: one
/// object on stdout at the end, with a key for each server and <c>_INFO</c>, <c>_WARNING</c>, <c>_ERROR</c> for what was said besides.
/// </summary>
sealed class Output(OutputFormat format, bool quiet, TextWriter standard, TextWriter error)
{
    readonly Lock _lock = new();
    readonly JsonObject _results = [];
    OutputFormat _format = format;
    bool _finished;

    public bool IsJson => _format == OutputFormat.Json;

    /// <summary>Whether a person watches stdout, so that a line may be drawn over again.</summary>
    public bool IsTerminal => !IsJson && !quiet && !Console.IsOutputRedirected;

    /// <summary>A line of a result in the form for people, held back until the next flush: a result may be long. JSON has it from the results.</summary>
    public void Line(string text)
    {
        if (!IsJson)
        {
            lock (_lock)
            {
                standard.Write(text + "\n");
            }
        }
    }

    /// <summary>What happens, or has happened.</summary>
    public void Info(string text) => Say("_INFO", standard, text, quiet);

    /// <summary>Something that the user should know, although the command goes on.</summary>
    public void Warning(string text) => Say("_WARNING", error, text, silent: false, "WARNING: ");

    /// <summary>Why the command, or its part for one server, failed.</summary>
    public void Error(string text)
    {
        Say("_ERROR", error, text, silent: false, "ERROR: ");
        if (IsJson)
        {
            Write(error, $"ERROR: {text}");
        }
    }

    /// <summary>The result for a server in JSON.</summary>
    public void Result(ServerName server, JsonNode result) => Result(server.ToString(), result);

    /// <inheritdoc cref="Result(ServerName, JsonNode)"/>
    public void Result(string key, JsonNode result)
    {
        lock (_lock)
        {
            _results[key] = result;
        }
    }

    /// <summary>From here on lines, whatever form was asked for: who reads them knows no other.</summary>
    public void SpeakInLines() => _format = OutputFormat.Console;

    /// <summary>Leaves stdout to the command, which writes bytes to it: no JSON follows them.</summary>
    public void LeaveStandardOutput() => _finished = true;

    /// <summary>Prints what is still held back: the object, once, if JSON was asked for.</summary>
    public void Finish()
    {
        if (IsJson && !_finished)
        {
            _finished = true;
            standard.Write(JsonText.Of(_results));
        }
        standard.Flush();
    }

    void Say(string key, TextWriter writer, string text, bool silent, string prefix = "")
    {
        if (!IsJson)
        {
            if (!silent)
            {
                Write(writer, prefix + text);
            }
            return;
        }
        lock (_lock)
        {
            if (_results[key] is not JsonArray said)
            {
                _results[key] = said = [];
            }
            said.Add((JsonNode)text);
        }
    }

    void Write(TextWriter writer, string text)
    {
        lock (_lock)
        {
            // In the order in which they were said, also where both go to one place.
            standard.Flush();
            writer.Write(text + "\n");
            writer.Flush();
        }
    }
}
