// Has a file scanned by Lazaret's verdict API before it goes anywhere.
//
//     LAZARET_USER=... LAZARET_PASSWORD=... dotnet run -- https://lazaret.example.com FILE
//
// Exit code: 0 clean, 1 something was found, 2 nobody knows. Needs: .NET 8 or newer, no package.
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

// A full server says 429, one that can't scan right now 503: both say when to come again.
const int Tries = 5;

var user = Environment.GetEnvironmentVariable("LAZARET_USER");
var password = Environment.GetEnvironmentVariable("LAZARET_PASSWORD");
if (args.Length != 2 || string.IsNullOrEmpty(user) || string.IsNullOrEmpty(password))
{
    Console.Error.WriteLine("usage: LAZARET_USER=... LAZARET_PASSWORD=... dotnet run -- BASE-URL FILE");
    return 2;
}
var (baseUrl, path) = (args[0].TrimEnd('/'), args[1]);

// A large archive may take an hour; the default is 100 seconds.
using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(4000) };
try
{
    // a token counts for an hour, and for any number of files: keep it if you have many
    var token = await Post("/api/Token", () => JsonContent.Create(new { username = user, password }));
    var bearer = token.GetProperty("accessToken").GetString();
    http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", bearer);

    var answer = await Post("/api/Scan", () =>
    {
        // a stream is sent as it is read: the file need not fit into memory. The form disposes of it
        var file = new StreamContent(File.OpenRead(path));
        file.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return new MultipartFormDataContent { { file, "documents", Path.GetFileName(path) } };
    });
    var result = answer.GetProperty("result").GetString();
    Console.WriteLine($"{path}: {result}");
    foreach (var found in answer.GetProperty("detectedInfections").EnumerateArray())
    {
        Console.WriteLine($"  {Shown(found.GetProperty("infection"))} in {Shown(found.GetProperty("file"))}");
    }
    if (answer.GetProperty("errorMessage").ValueKind == JsonValueKind.String)
    {
        Console.WriteLine($"  {Shown(answer.GetProperty("errorMessage"))}");
    }
    // whatever is not Clean is not: also what nobody could read
    return result switch { "Clean" => 0, "Infected" or "InfectedAllowed" => 1, _ => 2 };
}
catch (Exception error) when (error is HttpRequestException or IOException or UnauthorizedAccessException
    or JsonException or KeyNotFoundException or TaskCanceledException)
{
    Console.Error.WriteLine($"error: {error.Message}");
    return 2;
}

// `content` is a function, so that each try reads from the beginning.
async Task<JsonElement> Post(string route, Func<HttpContent> content)
{
    for (var left = Tries - 1; ; left--)
    {
        using var body = content();
        using var response = await http.PostAsync(baseUrl + route, body);
        if (response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable && left > 0)
        {
            await Task.Delay(response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(2));
            continue;
        }
        var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new HttpRequestException($"{(int)response.StatusCode}: {Shown(document.GetProperty("errorMessage"))}");
        }
        return document;
    }
}

// Names of members come from whoever made the archive: .NET's JSON spells out what is beyond ASCII, or obeyed by a terminal.
static string Shown(JsonElement text) => JsonSerializer.Serialize(text.GetString());
