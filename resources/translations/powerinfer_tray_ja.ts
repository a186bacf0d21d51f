<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja" sourcelanguage="en">
    <context>
        <name>app</name>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>There is no key {name}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>The keys are: {names}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>This cannot be a key</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>A key is made of letters, digits and signs, without blanks.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>{name} comes with the app</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>There is nothing to download.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>Launch at login could not be changed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>Check that you may write to the place that is named, or use the system's own settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>No model is chosen yet</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>The server needs a model to run.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>Choose one on the page Models, or type: powerinfer-tray serve --model test</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>There is no window</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/app.py" />
            <source>The app runs in a terminal.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Another file of this name is there</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>{path} is not the file that the source offers, and is left as it is.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Rename or delete it, then download again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>The server sends the file packed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>It was asked not to.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>Try another source.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>The server sent another piece of the file than it was asked for.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>The server announced {first:,} bytes, then {second:,}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>The file could not be checked</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>The server says neither its size nor its SHA-256: half a file would look like a whole one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/answer.py" />
            <source>Use another source, or give the SHA-256.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The publisher wants you to accept terms first</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{host} answered {status}: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>the file is gated</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then store an access token: keyring set powerinfer-tray {host}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The server does not let us have this file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{host} answered {status}: it asks for a sign-in, or for a licence to be accepted.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Open the address in a browser. If it downloads there only after signing in, fetch it there and put it into the models folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The file is not there</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{host} answered {status}: it knows no file at this address.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check the address: owner, repository and file name, with upper and lower case.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The server refused</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{host} answered {status}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The server has a problem</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Try again in a few minutes.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check the address in a browser.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>No secure connection</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{host} could not prove who it is ({reason}).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check the computer's clock. A company's own certificate must be in the system's store.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Could not reach {host}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check the connection to the internet and the address.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The proxy does not answer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check the proxy in the system's settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>This address cannot be used</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The connection was lost</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>What has arrived is kept. Press Resume to go on from there.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The file has changed on the server</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>What the server offers as {name} is not the file that was begun.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Download it again, from its start.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Nothing more came from the server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The server ended it in the middle of the file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The disk is full</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>There was no room left for {name} in {folder}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Free some space and press Resume, or choose another models folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The folder cannot be written</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{path}: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Check that the drive is there and that you may write to it, or choose another models folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>No answer in time</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/fleet.py" />
            <source>Every connection has ended.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/lock.py" />
            <source>Another program is downloading this file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/lock.py" />
            <source>{path} is being written, perhaps by this app in another window or terminal.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/lock.py" />
            <source>Wait until it is there, or stop the other download.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download has stopped</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>{count:,} bytes of {name} have arrived.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>Resume it to go on from there.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download failed unexpectedly</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The address leads in circles</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} sends every request on to another address.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us to a broken address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host}: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>Give the address of a file (https://…/model.gguf) or hf:owner/repository/file.gguf.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is no address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}”: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is no address that can be downloaded</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” is not understood.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The address names no file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” ends without a file name.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is no SHA-256</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” should be 64 characters of 0-9 and a-f.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is no file on Hugging Face</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>This is no speed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>“{text}” should be a number with a unit.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>For example: 500k, 2.5MB/s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/transfer.py" />
            <source>Not enough space on the disk</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/transfer.py" />
            <source>{missing:.2f} GiB are still to come, {free:.2f} GiB are free in {folder}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The address gives a pointer, not the file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server holds only a Git LFS pointer of 130 bytes here.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Use the address of the download button, which has /resolve/ in it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>This is not a model file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>It begins with neither GGUF nor PWRI, as every model for this app does.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Choose a file that ends in .gguf or .powerinfer.gguf.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The file is damaged or is not the one expected</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Its SHA-256 is {actual}, but should be {expected}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Download it again. If that does not help, the source offers another file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>{message} What has arrived is now {name}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent the whole file in place of a piece.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sends another size than it announced</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>There is more than the {count:,} bytes of the file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>Try again, or use another source.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server stopped before byte {end:,}, at {at:,}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sends next to nothing.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Choose another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Download the model again, or choose another one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Lower the context size, choose a smaller model, or close other programs.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine could not be started</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The system does not run {named}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>If it has vanished, a virus scanner may have taken it: install it again, or choose another.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>There is not enough memory for this model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine asked for more than the machine could give.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine cannot use this model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>What the file says of itself and the weights in it do not fit together, or not to this engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Download the model again, or choose another model or engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine does not know the argument {named}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It was started with an argument that it has no meaning for.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Remove it from «Extra arguments» in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine does not accept the value of {named}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It was started with a value that it cannot use.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Correct it in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine does not accept the value of an argument</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It was started with something that is no number where it needs one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Correct «Extra arguments» in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine lacks a system library</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It needs {named}, which is not on this machine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Install the package that contains it, or choose another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Install what contains it, or choose another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine's port was taken by another program</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Somebody else took the free port that was chosen for it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It is started again with another port.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine finds no NVIDIA graphics card</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It was built for one, and there is none, or its driver is missing or too old.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Choose an engine that was built without CUDA, or install NVIDIA's driver.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>This model needs the PowerInfer engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It is a sparse model, which other engines cannot read.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Choose a PowerInfer server as the engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The model file is not a model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Its first bytes are not those of a GGUF file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The model file is gone</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>There is no {named}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Put it back, or choose another model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The model file is not whole</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It ends before its last weight.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine does not know models of the kind «{named}»</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It was made before this kind, or without it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Choose another model, or another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>This engine does not suit this processor</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It uses an instruction that the processor does not have.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Choose an engine that was built for older processors.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine crashed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It reached for memory that is not there. A damaged model file can be the reason.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The model could not be read any more</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Its file was cut short, or its drive went away, while the engine used it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Connect the drive again, or download the model again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine gave up</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It came upon something that must not be, and ended itself.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Its last lines say more. If it happens again, choose another model or engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>The engine was ended from outside</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Another program ended it, or the system did for want of memory.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Somebody pressed Ctrl-C, closed its window or logged off.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It is started again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>A DLL that it needs is not on this machine, or is another version of it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Install Microsoft's Visual C++ runtime, or choose another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>This engine was built for another kind of machine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>It, or a DLL that it needs, does not suit this Windows.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>A DLL that it needs could not be set up; so it is also while Windows shuts down.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/causes.py" />
            <source>Try again. If it happens again, choose another engine in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine hangs</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>For {seconds:.0f} seconds it has done nothing that was asked of it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>If it happens again, choose another model or engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The drive «{name}» is not connected</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The folder «{name}» is gone</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The model was read from {model}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>Connect it again: the server then starts by itself. Or choose another model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine ended by itself</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It ended with {name}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine's log says more.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Choose a PowerInfer server or a llama-server program.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>There is no engine at {path}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is a folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is no file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} was built for another kind of machine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It runs on {system} ({machines}); this is {here} ({machine}).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Get the one for {system} ({machine}), or choose another engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} may not be run</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is a file that cannot be run: its execute permission is missing.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If it is an engine that you trust: chmod +x '{path}'</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not an engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It did not answer when asked for its options.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS does not let {name} run</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It was downloaded, and macOS has marked it so.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust it: xattr -d com.apple.quarantine '{path}'</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not a program</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Install PowerInfer's server and set «Engine» to its path in the settings, or choose a plain GGUF model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>It is a sparse model, and the chosen engine is {kind}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Set «Engine» to auto, or to the path of a PowerInfer server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>There is no PowerInfer engine on this machine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>None is in the settings, came with this app, or is on the PATH.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>There is no llama.cpp engine on this machine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>The one that comes with this app does not exist for this kind of machine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Install llama.cpp's llama-server and set «Engine» to its path in the settings.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Asked for its options, it names none of a model server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>Set «Context size» instead: it keeps requests within what the engine can take.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>Set «Model» instead.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>The engine gets a free port of its own; programs use the setting «Port».</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>The engine answers to this app alone; programs use the gateway's address.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>PowerInfer mixes up requests that it works on at the same time, and dies of it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>The remote server has no address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>«{url}» is not the address of a server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>The setting «Remote address» is empty.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>Give its base URL, as http://192.168.1.20:8000/v1.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>The remote server cannot be this app itself</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>{url} is the address that this app offers.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>Give the address of the other machine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>«Extra arguments» cannot have {flag}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/plan.py" />
            <source>Remove it there.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot make embeddings with this model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Choose another model or another engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>The remote server is no longer used</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>The remote server refuses the key</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>{url} answers with HTTP status {status}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>Give the key that its owner has set: powerinfer-tray key set remote</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>The remote server offers no models</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>{url}/models answers with HTTP status {status} and no list of models.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>Check the address: the base URL of such a server mostly ends in /v1.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>The remote server has no model «{model}»</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>It offers {names}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>Choose one of these, or leave the setting «Remote model» empty.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>The remote server does not answer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>{url}: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/remote.py" />
            <source>Check that it runs and that this computer can reach it. It is asked again from time to time.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>The engine's supervisor has failed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>This is a defect of the app: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Restart the app.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The server refused the text</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The answer broke off</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The server closed the connection.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The running app refused</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>It answered with status {status}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The server's answer makes no sense</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>An event is not the JSON of this app.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>The server did not answer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>Nobody answers at {url}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>Start the server, or look at its log.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/client.py" />
            <source>Status {status}, not the JSON of this app.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>{name} is too large</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>At most {count} MB of texts are taken at once.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>{name} is no text</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>It is not encoded in UTF-8.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>Save it as UTF-8 text, or choose another.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>{name} cannot be read</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>Check that you may read it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>Results cannot be saved as {kind}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>a file without an ending</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>The name must end in {names}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>The results could not be saved</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/gateway/results.py" />
            <source>Choose another folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>It cannot be removed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>{name} is being served</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>The engine has the file open.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>Stop the server first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>There is no program that quantizes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>None is beside PowerInfer's server or on the PATH.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/model_care.py" />
            <source>Put PowerInfer's «quantize» there; for dense models, llama.cpp's «llama-quantize».</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>From your own list.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The catalogue of models cannot be read</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{path}: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Install the app again, or mend the file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: there is another model with {name}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Your own list of models cannot be used</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{path}: {why}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>a projector file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>an adapter file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>a supplement file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>The file is empty.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Download it again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>It is an HTML page, probably the page that describes the file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>It is a Git LFS pointer, that only stands for the file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Run «git lfs pull», or download it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>It begins with {bytes}, and not with GGUF or PWRI.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>The model file {name} does not exist</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Nothing is at {path}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Choose or download a model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>The model file {name} cannot be read</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>{why} ({path}).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Check the path and its permissions.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Choose a model in the GGUF format.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>{name} is not a model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>The model file {name} is incomplete</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Download or copy it again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>The model file {name} is damaged</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Its entry {key} is of the unknown type {number:,}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>{present:,} of {whole:,} bytes are there, {missing:,} are missing.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>{name} is no model by itself</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>It is {kind}, which goes with a model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/faults.py" />
            <source>Choose the model that it belongs to.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>tensors</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>entries</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It does not say of which architecture the model is.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is a folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>A model is a single file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Name the model file inside that folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is not an ordinary file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header announces {count:,} {what}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>letters in one text</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header would be {count:,} bytes long.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It ends after {count:,} bytes, within its header.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It became shorter while it was read.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its tensor {name} has {count:,} dimensions.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its weights are aligned to {number}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is for other machines</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its numbers are stored in big-endian order.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Download the usual, little-endian file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too new for this app</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too old for this app</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is written in version {version:,} of the GGUF format. This app reads versions 2 and 3.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Look for an update of this app, or for another file of the same model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>{name} could not be imported</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>{reason} ({path}).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>Check that there is space, and that you may write there.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>{name} could not be removed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>Check its permissions; where there is no trash, delete it for good.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>{needed:.2f} GiB are needed, {free:.2f} GiB are free in {folder}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>Free some space, or link the model in place of copying it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>{name} is there already</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>It is in {folder}, and stays as it is.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/housekeeping.py" />
            <source>Remove it, or rename one of the two.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>{name} has not been downloaded yet</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>{name} is not in the models folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>Download it: powerinfer-tray download {source}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>No model is chosen</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>The setting «model» is empty.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>Choose one, or try the built-in one: test</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>There is no model {reference}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is no id of the catalogue and no file in {folder}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>Check the name, give the path of a file, or download a model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is an address, and not a model on this computer.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be quantized</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{program} has turned it into a model of another kind.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Use the program that belongs to the model's engine.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Check that the program can be run, and that you may write there.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} cannot be quantized so</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>It is not one whole model file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose a model in a single file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{type_name} is no type for this {kind} model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose one of: {names}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{target} is there already.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Give another name, or remove it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>There is no folder {folder}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Make it, or give another place.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Free some space, or give another place.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The program ended with {code}: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>A model that is quantized already must be made from its F16 or F32 file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>it said nothing.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/models/verify.py" />
            <source>Its SHA-256 is {actual}, but was {expected}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/serving.py" />
            <source>The server is not ready</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/serving.py" />
            <source>It is {state}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/serving.py" />
            <source>The local network needs an API key</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/serving.py" />
            <source>Without one, everybody in the network could use this server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/serving.py" />
            <source>Choose one: powerinfer-tray key set gateway</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Port</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Programs reach the server at http://127.0.0.1:PORT/v1.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>An id of the catalogue, a file in the models folder, or the path of a file.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Context size</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How much text the model sees at once. More needs more memory.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>tokens</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Batch size</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many tokens of a prompt are computed in one step.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while generating. Automatic: one for each physical core.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads for batches</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while reading a prompt. Automatic: as Threads.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Temperature</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How freely the model chooses its words; for requests that name none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>VRAM budget</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most graphics memory that the PowerInfer engine may use.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GiB</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>auto, powerinfer, llama.cpp, remote, or the path of a server program of your own.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the engine remote: the base URL of an OpenAI-compatible server, as http://box:8000/v1.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which of the remote server's models answers requests that name none of them. Empty: its first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Extra arguments</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Added to the engine's command line as they are.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start on demand</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request starts a server that sleeps, and waits for it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Stop when idle</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>After so long without a request the engine stops and frees its memory. 0: never.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>minutes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Who may connect</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>local: this computer only. lan: the local network too, with an API key.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Allowed web origins</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Web pages that may use the server, each as https://example.org. Others are refused.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Native routes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Also offer the engine's own routes, such as /completion and /tokenize.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Metrics</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Offer counters for Prometheus at /metrics.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where downloads go and models are found. Empty: the usual place.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Connections</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most connections of one download. Automatic: few, and more while that makes it faster.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Speed limit</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most that downloads take of the line. 0: no limit.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>MB/s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where hf: sources lead: Hugging Face itself, or the https address of a mirror.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Launch at login</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start this app, hidden in the tray, when you log in.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server with the app</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server as soon as the app runs.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Language</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Of windows, menu and notices. The terminal speaks English.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Notices</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tell when a download has ended, and when the server has crashed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be one of: {choices}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}, or "auto".</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}, or "auto".</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be true or false.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a text.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a list of texts.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} cannot be {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For example: {name} = {example}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>There is no setting {name}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Did you mean {name}?</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The settings are: {names}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>All settings with their values: powerinfer-tray settings show</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings could not be saved</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Check that the disk is not full and that you may write to this folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}: {title}. {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file has an error; defaults are used for what cannot be read</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path}: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Correct the file, or choose these settings again. The file has been left as it is.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>This system has no keychain</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Keys and tokens are kept in the system's keychain, and none was found.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>On Linux, install and unlock GNOME Keyring or KWallet.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>The keychain refused</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Unlock the system's keychain and try again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/logs.py" />
            <source>The app's folder cannot be written</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/logs.py" />
            <source>Check the rights of this folder, or name another with POWERINFER_TRAY_HOME.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another program</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another PowerInfer Tray</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (service {service})</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid})</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid}, service {service})</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Port {port} is used by {programs}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Stop the service {services}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>End that program</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port: {port} is free.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port: {port} is free.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>The system does not give out port {port}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Windows keeps the ports {first} to {last} for itself.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Ports below {port} are for programs of the system.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/about.py" />
            <source>About PowerInfer Tray</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/about.py" />
            <source>PowerInfer Tray {version}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/about.py" />
            <source>Downloads a language model, runs it on this computer, and offers it to OpenAI clients.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/about.py" />
            <source>Nothing leaves the machine but the downloads you ask for.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/about.py" />
            <source>Licence: MIT</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>This desktop shows no tray icons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>The app runs in this window instead; closing it quits the app and stops the server.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>Something went wrong inside the app</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>The log has the details.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>&amp;Copy</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Sa&amp;ve…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Texts and vectors as &amp;JSON</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Request for &amp;curl</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Request for &amp;Python</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Request for &amp;4D</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>No.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Text</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Norm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>First values</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Embedded texts</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Vect&amp;or</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Si&amp;milarity</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Save the results</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Texts and vectors</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>Table</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/embedding_results.py" />
            <source>NumPy, vectors only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/heat_map.py" />
            <source>Similarity of the texts</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/heat_map.py" />
            <source>The nearest of {count} texts are {first} and {second}: {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/heat_map.py" />
            <source>Text {first} and text {second}: {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>Latencies of the requests</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>Latency (ms)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>Requests</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>p50 {ms} ms</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>p95 {ms} ms</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/histogram.py" />
            <source>{count} requests from {low} to {high} ms</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/log_table.py" />
            <source>Time</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/log_table.py" />
            <source>From</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/log_table.py" />
            <source>Level</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/log_table.py" />
            <source>Message</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/model_table.py" />
            <source>Kind</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/model_table.py" />
            <source>Size</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/model_table.py" />
            <source>State</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Complete</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ctrl+Enter</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>St&amp;op</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Esc</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Text:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>To&amp;kens at most:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ans&amp;wer:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Temperature {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Texts, one on each line</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Embed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Ca&amp;ncel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Start Server</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Texts, one on each line; or drop a file here:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Embedding …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Follow</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Stay at the newest line.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copies the selected lines, or all that are shown.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Open Fo&amp;lder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copy &amp;Diagnostics</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Versions, machine, command line and last lines, without secrets and your home folder.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Lines of the logs</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warning</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>App and engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Every level</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warnings and errors</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Errors</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>The diagnostics are on the clipboard</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Paste them into your report. Secrets and your home folder have been removed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Close</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Measure</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Answered requests</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Requests:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>At the same t&amp;ime:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>D&amp;ownload</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Models</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Use</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Download</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Pause</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Resume</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Cancel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Download from &amp;address:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Select a model to see what can be done with it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>&amp;Try it now</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Do&amp;wnload and start</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>S&amp;top Server</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Copy the address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Model:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Engine:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>&amp;Address:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>The model is in order</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Verifying the model …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>{percent} %</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>none chosen</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>not running</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>process {pid}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test embedding</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Measure</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test completion</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/plots.py" />
            <source>Plot of the vector</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/plots.py" />
            <source>Dimension</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/plots.py" />
            <source>Value</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/plots.py" />
            <source>{count} values from {low} to {high}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/plots.py" />
            <source>Dimension {index}: {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>Type a text first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The model is being loaded …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is being restarted …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server waits until the model is there again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server must run first.</source>
            <translation type="unfinished" />
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} texts</source>
            <translation type="unfinished">
                <numerusform />
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} dimensions</source>
            <translation type="unfinished">
                <numerusform />
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} tokens</source>
            <translation type="unfinished">
                <numerusform />
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{ms} ms per text</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>, </source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose a &amp;Free Port</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Verify the Model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Open the Setting…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose Another &amp;Engine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Every byte is the one that was downloaded, so the file is not the cause.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Header and size are right. Its weights cannot be checked: no SHA-256 was kept for them.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>App</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>Error</source>
            <translation type="unfinished" />
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{count} lines</source>
            <translation type="unfinished">
                <numerusform />
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{shown} of {known} lines</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>No request was answered.</source>
            <translation type="unfinished" />
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{count} requests</source>
            <translation type="unfinished">
                <numerusform />
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{rate} embeddings per second</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Pause Download</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Resume &amp;Download</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Restart Server</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;More Models…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Test &amp;Embedding…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Address</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;curl</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;Python</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;4D</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Open Window</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Sett&amp;ings…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Launch at Login</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Lo&amp;gs…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;About</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Quit</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is running already.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is starting already.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server starts by itself when the model is there again.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose a model first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is stopping already.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is not running.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>about {size}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Sparse</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Dense</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Installed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen, not downloaded</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not downloaded</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Server</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Network</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic (by the model's format)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>PowerInfer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>llama.cpp (comes with the app)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>A server on another machine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This computer only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The local network too</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>As the system</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by {programs}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This server has it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It is free.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Apple Silicon shares its memory with the GPU, so there is no budget to set.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This machine has no NVIDIA GPU that the engine could use.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The engine that runs this model cannot use a VRAM budget.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server cannot be started with these settings: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server restarts.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The address changes to port {port}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It must be auto, powerinfer, llama.cpp, remote or the full path of a program.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It must be the full path of a folder, or empty for the usual one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{state} · {address}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>the model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Loading {model} … {seconds} s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Ready — {model}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Stopping {model} …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Restarting: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Waiting: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Stopped: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>The log says why.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>The server crashed and was restarted</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Stopped — {model}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>No model yet — choose one</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Downloading {name} — {progress}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{name} — {progress}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Download finished</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>Download failed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>Memory</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>Processor</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>Graphics memory</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>Tokens</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>{cores} cores</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>{number}/s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/vitals.py" />
            <source>at most {value}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size} B</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size} kB</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size} MB</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size} GB</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size} TB</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{size}/s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{seconds} s left</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{minutes} min left</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>{hours} h {minutes} min left</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Waiting for its turn</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Connecting …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Checking …</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Paused at {amount}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Cancelled at {amount}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Failed: {cause}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>Downloaded</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/wording.py" />
            <source>unknown cause</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/setting_editors.py" />
            <source>Automatic</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/setting_editors.py" />
            <source>Reset</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/setting_editors.py" />
            <source>Reset: {title}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/setting_editors.py" />
            <source>Browse…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/setting_editors.py" />
            <source>Browse for: {title}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/settings_dialog.py" />
            <source>Settings</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/settings_dialog.py" />
            <source>Command &amp;line:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/settings_dialog.py" />
            <source>{title}:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/settings_dialog.py" />
            <source>Command line</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/tray.py" />
            <source>Tray menu</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/vitals_panel.py" />
            <source>The last two minutes, while this page is open.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets.py" />
            <source>Lines of the log that show it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets.py" />
            <source>Information</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>PowerInfer Tray</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Settin&amp;gs…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Pages</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Status</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Logs</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Built-in test model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Comes with the app to check the installation; its answers mean nothing.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Sparse 7B model for embeddings and for continuing a text, in 4 bits.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>The same model in full precision, for computers with much memory.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in 4 bits: the one to chat with.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in full precision.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 7B made sparse, in full precision.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 13B made sparse, in full precision.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 70B made sparse, in 4 bits.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Falcon 40B made sparse, in 4 bits; asks you to accept its terms on Hugging Face.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 512 tokens; small and fast.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 2048 tokens; begin each with its task.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that answers at once on any computer; English, and not clever.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model for English.</source>
            <translation type="unfinished" />
        </message>
    </context>
</TS>
